import { ReadableSessions } from '../readable-sessions.js';
import { ofCommit } from '../sessions.repository.js';

/**
 * One search, in one statement. Parameters: those of ReadableSessions ($1–$6); $7–$9 the units' queries, whether each is
 * required, weights; $10–$16 filters (tools, model, repo, branch, tag, since, until); $17–$19 score, time and uid of the
 * last result of the page before; $20 limit, $21 offset; $22 values per facet; $23 one more filter (commit).
 *
 * `hit` are the chunks that match a unit: read from the index and from narrow rows, without their texts. A session's
 * score is BM25 with chunks for words: a unit counts more the rarer it is among the sessions the caller may read, and
 * less the longer the conversation; a match in title, alias or tags counts as much as two more.
 */
export const SEARCH_SQL = `
with unit as materialized (
  select u.n, u.query, u.is_required, u.weight
    from unnest($7::text[]::tsquery[], $8::boolean[], $9::float8[]) with ordinality as u(query, is_required, weight, n)
), hit as materialized (
  select u.n, c.session_uid as uid, c.version_id, c.ordinal
    from unit u cross join lateral (
      select c.session_uid, c.version_id, c.ordinal from session_chunk c
       where c.account_id = $1 and c.words @@ u.query
      union all
      select c.session_uid, c.version_id, c.ordinal from (${ReadableSessions.handedOver}) h
        join session_chunk c on c.session_uid = h.uid
       where c.account_id <> $1 and c.words @@ u.query) c
), counted as materialized (
  select n, uid, version_id, count(*)::float8 as chunks from hit group by n, uid, version_id
), seen as materialized (
  select m.n, m.uid, m.chunks, m.is_heading, s.updated_at, m.size
    from (
      select n, uid, sum(chunks) as chunks, bool_or(is_heading) as is_heading, max(size) as size
        from (
          select c.n, c.uid, c.chunks, false as is_heading, i.chunks::float8 as size
            from counted c join session_index i on i.session_uid = c.uid and i.version_id = c.version_id
          union all
          select u.n, t.uid, 0, true, 0
            from unit u cross join lateral (
              select t.uid from captured_session t where t.account_id = $1 and t.heading @@ u.query
              union all
              select t.uid from (${ReadableSessions.handedOver}) h join captured_session t on t.uid = h.uid
               where t.account_id <> $1 and t.heading @@ u.query) t
        ) each_place group by n, uid
    ) m join captured_session s on s.uid = m.uid
   where ${ReadableSessions.predicate}
     and ($10::text[] is null or s.source_tool = any($10)) and ($11::text is null or s.model_id = $11)
     and ($12::text is null or s.git_remote = $12) and ($13::text is null or s.git_branch = $13)
     and ($14::text is null or s.tags @> array[$14]) and ($23::text is null or ${ofCommit('$23')})
     and ($15::timestamptz is null or s.updated_at >= $15) and ($16::timestamptz is null or s.updated_at < $16)
), corpus as (
  select count(distinct uid)::float8 as sessions, greatest(avg(size), 1) as size from seen
), rarity as materialized (
  select u.n, u.weight, u.is_required, ln(1 + (c.sessions - d.sessions + 0.5) / (d.sessions + 0.5)) as idf
    from unit u join (select n, count(*)::float8 as sessions from seen group by n) d on d.n = u.n cross join corpus c
), scored as materialized (
  select e.uid, (extract(epoch from e.updated_at) * 1000000)::bigint as at,
         (1000000 * sum(r.weight * r.idf * (
            e.chunks * 2.2 / (e.chunks + 1.2 * (0.25 + 0.75 * e.size / c.size))
            + case when e.is_heading then 2 else 0 end)))::bigint as score
    from seen e join rarity r on r.n = e.n cross join corpus c
   group by e.uid, e.updated_at
  having count(*) filter (where r.is_required) = (select count(*) from unit where is_required)
), page as materialized (
  select uid, score, at from scored
   where $17::bigint is null or (score, at, uid) < ($17, $18::bigint, $19::uuid)
   order by score desc, at desc, uid desc limit $20 offset $21
), best as materialized (
  select distinct on (h.uid) h.uid, h.ordinal
    from page p join hit h on h.uid = p.uid
    join session_index i on i.session_uid = h.uid and i.version_id = h.version_id
    join rarity r on r.n = h.n
   group by h.uid, h.ordinal
   order by h.uid, sum(r.weight * r.idf) desc, h.ordinal
), found as materialized (
  select s.source_tool, s.model_id, s.git_remote, s.git_branch, s.tags
    from scored f join captured_session s on s.uid = f.uid
)
select (select count(*)::integer from scored) as total,
       coalesce((select array_agg((u.n - 1)::integer) from unit u
                  where u.is_required and not exists (select from seen e where e.n = u.n)), '{}') as missing,
       coalesce((select json_agg(json_build_object('uid', p.uid, 'score', p.score::text, 'at', p.at::text,
                          'ordinal', b.ordinal) order by p.score desc, p.at desc, p.uid desc)
                   from page p left join best b on b.uid = p.uid), '[]') as page,
       json_build_object(
         'tools', ${facet('source_tool')}, 'models', ${facet('model_id')}, 'repos', ${facet('git_remote')},
         'branches', ${facet('git_branch')}, 'tags', ${facet('tag', 'found, unnest(found.tags) as tag')}) as facets`;

/** The most frequent values of a column among all results. */
function facet(column: string, from = 'found'): string {
  return `coalesce((select json_agg(json_build_object('value', v.value, 'count', v.count)) from (
    select ${column} as value, count(*)::integer as count from ${from} where ${column} is not null
     group by 1 order by 2 desc, 1 limit $22) v), '[]')`;
}
