-- Embeddings computed elsewhere come with or without the number of observations behind them: unknown is null, not 0.
alter table estimate alter column n_s2 drop not null;
alter table estimate alter column n_s1_ascending drop not null;
alter table estimate alter column n_s1_descending drop not null;

comment on column estimate.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean; null where the publisher of embeddings does not say.';
comment on column estimate.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean; null as n_s2.';
comment on column estimate.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean; null as n_s2.';
comment on column estimate.inputs_hash is 'Digest of the scenes and pixels, or of the published embeddings, that the estimate was made from.';
comment on column site_history.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean; null where the publisher of embeddings does not say.';
comment on column site_history.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean; null as n_s2.';
comment on column site_history.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean; null as n_s2.';
comment on column site_history.inputs_hash is 'Digest of the scenes and pixels, or of the published embeddings, that the estimate was made from.';
