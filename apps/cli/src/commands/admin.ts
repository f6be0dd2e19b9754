import type { AdminUsersService, ShownTier, UserStatus } from '#auth';
import { dataDirOf } from '../data-dir.js';
import { openDatabase } from '../open-database.js';
import { readOptions, UsageError } from '../usage.js';

const USAGE = `Usage: roundhouse admin mint-key --user <e-mail or id> [--name <name>]
       roundhouse admin set-tier --user <e-mail or id> --tier <tier, or admin>
       roundhouse admin list-users [--search <part of the e-mail>] [--status active|inactive|all]`;

type Options = Readonly<Record<string, string>>;
type Action = (users: AdminUsersService, options: Options) => Promise<void>;

const ACTIONS: Readonly<Record<string, { needs: readonly string[]; takes: readonly string[]; act: Action }>> = {
  'mint-key': { needs: ['user'], takes: ['name'], act: mintKey },
  'set-tier': { needs: ['user', 'tier'], takes: [], act: setTier },
  'list-users': { needs: [], takes: ['search', 'status'], act: listUsers },
};

/** What administrators do over HTTP, for when none of them can log in; beside a running or a stopped server. */
export async function run(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) throw new UsageError(USAGE);
  const options = readOptions(rest, [...action.needs, ...action.takes], USAGE);
  const lacking = action.needs.find((option) => !options[option]?.trim());
  if (lacking !== undefined) throw new UsageError(`--${lacking} is needed\n${USAGE}`);
  await withUsers(env, (users) => action.act(users, options));
  return 0;
}

/** The server's own services on its database, without anything running: no requests, no jobs. */
async function withUsers(env: NodeJS.ProcessEnv, work: (users: AdminUsersService) => Promise<void>): Promise<void> {
  const dataDir = dataDirOf(env);
  const database = await openDatabase(env, { dataDir, joinRunning: true, mustExist: true, report: console.error });
  try {
    const { openServices } = await import('../../../server/src/offline.js');
    const { AdminUsersService } = await import('#auth');
    const services = await openServices({ LOG_LEVEL: 'error', ...env, DATA_DIR: dataDir, DATABASE_URL: database.url });
    try {
      await work(services.get(AdminUsersService));
    } finally {
      await services.close();
    }
  } finally {
    await database.close();
  }
}

/** The key alone goes to stdout, so that it can be piped. */
async function mintKey(users: AdminUsersService, { user = '', name }: Options): Promise<void> {
  const minted = await users.mintKey(null, await users.resolve(user), checkName(name));
  console.error(`A key for ${minted.user.email} (user ${minted.user.id}, key ${minted.key.id}), shown this once:`);
  console.log(minted.raw);
}

async function setTier(users: AdminUsersService, { user = '', tier = '' }: Options): Promise<void> {
  const { isShownTier, SHOWN_TIERS } = await import('#auth');
  if (!isShownTier(tier)) throw new UsageError(`There is no tier ${tier}. Tiers: ${SHOWN_TIERS.join(', ')}`);
  const { oldTier, newTier } = await users.changeTier(null, await users.resolve(user), tier satisfies ShownTier);
  console.log(`${user}: ${oldTier} -> ${newTier}`);
}

async function listUsers(users: AdminUsersService, { search = '', status = 'all' }: Options): Promise<void> {
  if (!['active', 'inactive', 'all'].includes(status)) throw new UsageError(USAGE);
  const filter = { tier: null, search: search || null, status: status as UserStatus };
  const { shownTier } = await import('#auth');
  for (let after: readonly string[] | null = null; ;) {
    const page = await users.list(filter, { number: 1, size: 200, offset: 0, after });
    for (const user of page.users) {
      console.log([user.id, user.email, shownTier(user), user.isActive ? 'active' : 'inactive'].join('\t'));
    }
    if (page.next === null) return;
    after = page.next;
  }
}

function checkName(name: string | undefined): string | null {
  if (name !== undefined && name.length > 255) throw new UsageError('--name takes at most 255 characters');
  return name || null;
}
