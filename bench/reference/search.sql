-- What search over captured sessions is held against: one row per session, full text of its first 100 KB with a GIN
-- index, and a scan for the query as a piece of that text when it finds nothing. $1 is the query.

-- name: create
create table reference_session (
  id text primary key,
  title text,
  body text not null,
  words tsvector generated always as (to_tsvector('english', coalesce(title, '') || ' ' || body)) stored
);
create index reference_session_words on reference_session using gin (words);

-- name: insert
insert into reference_session (id, title, body) values ($1, $2, left($3, 102400));

-- name: page
select id, ts_rank(words, query) as rank, count(*) over () as total
  from reference_session, plainto_tsquery('english', $1) as query
 where words @@ query order by rank desc limit 20;

-- name: scan
select id, count(*) over () as total from reference_session where body ilike '%' || $1 || '%' limit 20;

-- name: all
select id from reference_session where words @@ plainto_tsquery('english', $1);

-- name: all-scanned
select id from reference_session where body ilike '%' || $1 || '%';
