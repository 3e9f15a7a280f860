-- Links past their expiry that have not been told of: few, as each is told of within moments. Counts take them into account,
-- and the sweep finds them. A link without an expiry, and one that is told of, has no entry.
create index links_due on links.links (expires_at, workspace_id)
  where expired_at is null and deleted_at is null and expires_at is not null;
