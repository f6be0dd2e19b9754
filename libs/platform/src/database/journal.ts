/** Tables that are only ever appended to, and the columns their writers give; the database fills the others. */
const JOURNAL_COLUMNS = {
  event: ['type', 'account_id', 'subject_kind', 'subject_id', 'payload'],
  audit: [
    'account_id',
    'actor_kind',
    'actor_user_id',
    'actor_key_id',
    'action',
    'subject_kind',
    'subject_id',
    'facts',
    'address',
    'request_id',
  ],
  storage_change: ['account_id', 'item', 'account_bytes', 'item_bytes'],
} as const;

export type JournalTable = keyof typeof JOURNAL_COLUMNS;

/** A row by column names. */
export type JournalRow = Readonly<Record<string, unknown>>;

const TABLES = Object.keys(JOURNAL_COLUMNS) as JournalTable[];

/** One statement that appends all rows, each table's in their order. */
export function journalStatement(journal: ReadonlyMap<JournalTable, readonly JournalRow[]>): {
  sql: string;
  parameters: string[];
} {
  // In one order, so that few different texts are prepared.
  const tables = TABLES.filter((table) => journal.has(table));
  const inserts = tables.map((table, index) => {
    const columns = JOURNAL_COLUMNS[table].join(', ');
    return `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $${index + 1})`;
  });
  const last = inserts.pop() ?? '';
  const earlier = inserts.map((insert, index) => `${tables[index]}_rows as (${insert})`);
  return {
    sql: earlier.length > 0 ? `with ${earlier.join(', ')} ${last}` : last,
    parameters: tables.map((table) => JSON.stringify(journal.get(table))),
  };
}
