-- A link lives with its workspace; the code is a global name for it, and stays taken when the link is deleted.
create table links.links (
  workspace_id bigint not null,
  bucket smallint not null,
  link_id bigint not null,
  domain text not null,
  code text not null,
  url text not null,
  redirect_status smallint not null,
  expires_at timestamptz,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  version integer not null default 1,
  primary key (workspace_id, link_id),
  constraint links_redirect_status check (redirect_status in (301, 302, 307, 308))
);

create index links_living on links.links (workspace_id, link_id desc) where deleted_at is null;

create table links.codes (
  domain text not null,
  code text not null,
  workspace_id bigint not null,
  bucket smallint not null,
  link_id bigint not null,
  primary key (domain, code)
);
