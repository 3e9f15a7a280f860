-- `expired_at` marks that a link's expiry has been told of; redirects go by `expires_at` alone.
alter table links.links add column expired_at timestamptz;
update links.links set expired_at = expires_at where expires_at <= now();

-- The projection `links_counts`: one row for each workspace and bucket that ever had a link. The first start fills it.
create table links.counts (
  workspace_id bigint not null,
  bucket smallint not null,
  live bigint not null,
  expired bigint not null,
  primary key (workspace_id, bucket)
);
