create table notes.notes (
  workspace_id bigint not null,
  bucket smallint not null,
  note_id bigint not null,
  text text not null,
  primary key (workspace_id, note_id)
);
