select * from promotion where $target is null or target = $target order by promoted_at, target, encoder, head;
