select distinct season from estimate order by season desc;
