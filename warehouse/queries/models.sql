select * from model_card order by kind, id;
