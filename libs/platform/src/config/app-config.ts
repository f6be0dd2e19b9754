import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  Min,
  ValidateIf,
  type ValidationError,
  validateSync,
} from 'class-validator';
import { IsHostList } from './is-host-list.js';

export const TIERS = ['free', 'starter', 'pro', 'team', 'enterprise'] as const;
export type Tier = (typeof TIERS)[number];

const DNS_SERVER = /^(\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?|[\da-fA-F:]+|\[[\da-fA-F:]+\](:\d{1,5})?)$/;
const toInt = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? Number(value) : value));
const toBool = Transform(({ value }: { value: unknown }) =>
  value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value,
);

/**
 * Every setting of a Roundhouse process: the one schema of its environment. Names are the variables' names;
 * `.env.example` and docs/operations.md list the same.
 */
export class AppConfig {
  /** TCP port of the HTTP server; 0 picks a free one. */
  @toInt @IsInt() @Min(0) @Max(65_535) PORT = 8080;
  /** Address the HTTP server binds to. */
  @IsString() HOST = '127.0.0.1';
  /** Folder of everything that must survive: repositories, blobs, the embedded database, keys. */
  @IsString() DATA_DIR = './data';
  /** PostgreSQL connection string. */
  @IsString() DATABASE_URL!: string;
  /** Connections this process may hold to PostgreSQL. */
  @toInt @IsInt() @Min(2) @Max(200) DATABASE_POOL = 10;
  /** Redis for jobs and cross-node messages; PostgreSQL carries both when unset. */
  @IsOptional() @IsString() REDIS_URL?: string;
  /** api serves requests, worker runs jobs, all does both. */
  @IsIn(['api', 'worker', 'all']) APP_MODE: 'api' | 'worker' | 'all' = 'all';
  /** Public base URL used in links and git_url; derived from HOST and PORT when unset. */
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  PUBLIC_URL?: string;
  /** Who may sign up; open on loopback, else invite, when unset. */
  @IsOptional() @IsIn(['open', 'invite', 'closed']) SIGNUP?: 'open' | 'invite' | 'closed';
  /** Tier of new accounts. */
  @IsIn(TIERS) DEFAULT_TIER: Tier = 'enterprise';
  /** Hosts that sandboxes may clone repositories from, comma-separated, besides this server itself: `host` or `host:port`. */
  @Matches(/^[^\s,/:]+(?::\d{1,5})?(?:\s*,\s*[^\s,/:]+(?::\d{1,5})?)*$/, {
    message: 'SANDBOX_CLONE_HOSTS must be host names with commas, each with a port if need be',
  })
  SANDBOX_CLONE_HOSTS = 'github.com';
  /** Hosts that programs in sandboxes may reach by https, comma-separated: `host`, `*.domain`, `host:port`. None when unset. */
  @IsOptional()
  @Matches(/^(\*\.)?[\w.-]+(:\d{1,5})?(\s*,\s*(\*\.)?[\w.-]+(:\d{1,5})?)*$/, {
    message: 'SANDBOX_EGRESS_HOSTS must be host names or *.domains with commas, each with a port if need be',
  })
  SANDBOX_EGRESS_HOSTS?: string;
  /** Largest file that may be put into a workspace over HTTP, in bytes. */
  @toInt @IsInt() @Min(1) SANDBOX_MAX_UPLOAD_BYTES = 104_857_600;
  /** Largest repository that is cloned into a sandbox, in bytes: of what is fetched, and of its files. */
  @toInt @IsInt() @Min(1_048_576) SANDBOX_MAX_CLONE_BYTES = 2_147_483_648;
  /** Seconds that fetching a repository for a sandbox may take, and writing its files. */
  @toInt @IsInt() @Min(1) @Max(86_400) SANDBOX_CLONE_SECONDS = 600;
  /** Minutes without use after which a sandbox hibernates. */
  @toInt @IsInt() @Min(1) @Max(10_080) SANDBOX_IDLE_MINUTES = 30;
  /** Minutes that a sandbox stays active at most unless it is extended. */
  @toInt @IsInt() @Min(1) @Max(10_080) SANDBOX_LIFETIME_MINUTES = 300;
  /** Hours that the directory of a destroyed sandbox is kept. */
  @toInt @IsInt() @Min(0) @Max(87_600) SANDBOX_RETENTION_HOURS = 24;
  /** Whether another account's session of /api/sessions is 404 as a missing one is, instead of 403. */
  @toBool @IsBoolean() SANDBOX_HIDE_FOREIGN = false;
  /** The user as whom sandboxes run when the server is root; no account of the machine needs to have it. 0 lets them be root. */
  @toInt @IsInt() @Min(0) @Max(2_147_483_647) SANDBOX_UID = 60_800;
  /** Of one sandbox, all its commands together: bytes of memory, processes, and cores in hundredths. */
  @toInt @IsInt() @Min(16_777_216) SANDBOX_MEMORY_BYTES = 2_147_483_648;
  @toInt @IsInt() @Min(8) @Max(100_000) SANDBOX_PROCESSES = 256;
  @toInt @IsInt() @Min(5) @Max(100_000) SANDBOX_CPU_PERCENT = 200;
  /** Bytes that one workspace may have on disk before commands that write to it are ended. */
  @toInt @IsInt() @Min(1_048_576) SANDBOX_DISK_BYTES = 10_737_418_240;
  /** What each of its folders in memory, /tmp and /dev/shm, may hold. */
  @toInt @IsInt() @Min(1_048_576) SANDBOX_SCRATCH_BYTES = 536_870_912;
  /** Commands that may run in one sandbox at once, and seconds that one may take at most. */
  @toInt @IsInt() @Min(1) @Max(1_000) SANDBOX_COMMANDS = 32;
  @toInt @IsInt() @Min(1) @Max(604_800) SANDBOX_COMMAND_SECONDS = 86_400;
  /** Folders where bwrap and what it needs are looked for. */
  @IsString() SANDBOX_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  /** What answers in sandboxes in place of the built-in agent: a line for the sandbox's shell. */
  @IsOptional() @IsString() AGENT_COMMAND?: string;
  /** What the browser editor of a session is: a line for the sandbox's shell that serves at port 8000. None when unset. */
  @IsOptional() @IsString() CODE_EDITOR_COMMAND?: string;
  /** Origins of previews, one for each in place of the asterisk; they are paths of this server, or below localhost, when unset. */
  @IsOptional()
  @Matches(/^https?:\/\/\*\.[a-z\d]([a-z\d.-]*[a-z\d])?(:\d{1,5})?$/i, {
    message: 'PREVIEW_ORIGIN must look like https://*.previews.example.com',
  })
  PREVIEW_ORIGIN?: string;
  /** Calls of the model that one turn of an agent may take. */
  @toInt @IsInt() @Min(1) @Max(1_000) AGENT_MAX_STEPS = 100;
  /** Tokens that one turn of an agent may use, read and written together. */
  @toInt @IsInt() @Min(1) AGENT_TOKENS_PER_TURN = 2_000_000;
  /** Turns of agents per account and hour or day of the clock; 0 for any number. */
  @toInt @IsInt() @Min(0) AGENT_TURNS_PER_HOUR = 300;
  @toInt @IsInt() @Min(0) AGENT_TURNS_PER_DAY = 5_000;
  /** Tokens of agents per account and hour or day of the clock; 0 for any number. */
  @toInt @IsInt() @Min(0) AGENT_TOKENS_PER_HOUR = 20_000_000;
  @toInt @IsInt() @Min(0) AGENT_TOKENS_PER_DAY = 200_000_000;
  /** Largest accepted commit body in bytes. */
  @toInt @IsInt() @Min(1024) @Max(1_073_741_824) MAX_COMMIT_BODY = 26_214_400;
  /** Largest accepted push in bytes. */
  @toInt @IsInt() @Min(1024) MAX_PUSH_BYTES = 2_147_483_648;
  /** Whose X-Forwarded-For is believed: a proxy count, or a comma-separated list of addresses or subnets. */
  @IsOptional() @IsString() TRUST_PROXY?: string;
  /** Origins that browsers may call from, comma-separated. */
  @IsOptional() @IsString() CORS_ORIGINS?: string;
  /** Object-store worker threads; four per core, at most 32, when unset. */
  @IsOptional() @toInt @IsInt() @Min(1) @Max(64) STORE_WORKERS?: number;
  /** Bucket that large things are stored in; DATA_DIR/blobs when unset. */
  @IsOptional() @IsString() S3_BUCKET?: string;
  /** Region of the bucket. */
  @IsString() S3_REGION = 'us-east-1';
  /** Address of an S3 that is not Amazon's. */
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  S3_ENDPOINT?: string;
  /** Credentials for the bucket; where the AWS SDK looks for them when unset. */
  @IsOptional() @IsString() S3_ACCESS_KEY_ID?: string;
  /** The secret of S3_ACCESS_KEY_ID. */
  @IsOptional() @IsString() S3_SECRET_ACCESS_KEY?: string;
  /** New packs of a repository after which it is repacked. */
  @toInt @IsInt() @Min(2) MAINTENANCE_PACKS = 100;
  /** Newest versions of a captured session that stay, however old. */
  @toInt @IsInt() @Min(1) @Max(10_000) SESSION_VERSIONS_KEPT = 20;
  /** Days that the last version of each day stays beyond those. */
  @toInt @IsInt() @Min(0) @Max(36_500) SESSION_VERSION_DAYS = 30;
  /** Days that a version stays which a push overwrote without knowing it. */
  @toInt @IsInt() @Min(0) @Max(36_500) SESSION_BRANCH_DAYS = 180;
  /** Seconds between two narratives of one session that pushes or pull requests ask for. */
  @toInt @IsInt() @Min(0) @Max(86_400) NARRATIVE_INTERVAL_SECONDS = 300;
  /** Sign-ups allowed per address and hour. */
  @toInt @IsInt() @Min(1) SIGNUP_LIMIT_PER_HOUR = 20;
  /** Failed authentications allowed per address and minute. */
  @toInt @IsInt() @Min(1) AUTH_FAILURE_LIMIT_PER_MINUTE = 60;
  /** Secret key of the Stripe account that sells plans; nothing is sold when unset. */
  @IsOptional() @IsString() STRIPE_SECRET_KEY?: string;
  /** Secret that Stripe signs its deliveries to /webhooks/stripe with. */
  @IsOptional() @IsString() STRIPE_WEBHOOK_SECRET?: string;
  /** Stripe's ids of the recurring prices that are sold. */
  @IsOptional() @IsString() STRIPE_PRICE_STARTER?: string;
  @IsOptional() @IsString() STRIPE_PRICE_PRO?: string;
  @IsOptional() @IsString() STRIPE_PRICE_TEAM?: string;
  /** Where Stripe's API is. */
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  STRIPE_API_BASE = 'https://api.stripe.com';
  /** Page that Stripe sends people back to; the API docs of PUBLIC_URL when unset. */
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  BILLING_RETURN_URL?: string;
  /** Smallest level that is logged. */
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) LOG_LEVEL = 'info';
  /** Serve Prometheus metrics at /metrics without a credential. */
  @toBool @IsBoolean() METRICS_PUBLIC = true;
  /** Seconds a draining server waits for requests in flight. */
  @toInt @IsNumber() @Min(0) SHUTDOWN_GRACE_SECONDS = 20;
  /** Networks and hosts that outbound calls may reach although they are not public: an identity provider of one's own. */
  @IsOptional() @IsHostList() OUTBOUND_ALLOW_PRIVATE?: string;
  /** File of certificates (PEM) that are trusted besides the usual ones: Node.js reads it as it starts, and git gets it. */
  @IsOptional() @IsString() NODE_EXTRA_CA_CERTS?: string;
  /** DNS server (`address` or `address:port`) to ask instead of the machine's resolver. */
  @IsOptional()
  @Matches(DNS_SERVER, { message: 'DNS_SERVER must be an IP address, with a port if need be' })
  DNS_SERVER?: string;
  /** OpenID Connect provider of the whole installation; with OIDC_CLIENT_ID. */
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  OIDC_ISSUER?: string;
  @ValidateIf((config: AppConfig) => config.OIDC_ISSUER !== undefined) @IsString() OIDC_CLIENT_ID?: string;
  /** Absent for a public client, which PKCE alone protects. */
  @IsOptional() @IsString() OIDC_CLIENT_SECRET?: string;
  /** How long a key lives that a single sign-on made. */
  @toInt @IsInt() @Min(1) @Max(8_760) SSO_KEY_HOURS = 12;
  /** Mail server with user and password, smtps:// for TLS from the start; wins over the other SMTP_* settings. */
  @IsOptional()
  @Matches(/^smtps?:\/\/(?:(?:%[\da-f]{2}|[^\s/?#@%])+@)?(?:\[[\da-f:.]+\]|[^\s/?#@:[\]]+)(?::\d{1,5})?\/?$/i, {
    message: 'SMTP_URL must look like smtp://user:password@host:587',
  })
  SMTP_URL?: string;
  /** Mail server; without one, mail is written to DATA_DIR/mail. */
  @IsOptional() @Matches(/^[^\s/@]+$/) SMTP_HOST?: string;
  /** Port of the mail server; 587, or 465 with SMTP_SECURE=tls, when unset. */
  @IsOptional() @toInt @IsInt() @Min(1) @Max(65_535) SMTP_PORT?: number;
  /** User name at the mail server; no authentication when unset. */
  @IsOptional() @IsString() SMTP_USER?: string;
  @IsOptional() @IsString() SMTP_PASSWORD?: string;
  /** TLS from the start, STARTTLS demanded, or STARTTLS when offered. */
  @IsOptional() @IsIn(['tls', 'starttls', 'optional']) SMTP_SECURE?: 'tls' | 'starttls' | 'optional';
  /** Sender of all mail; Roundhouse <noreply@host of PUBLIC_URL> when unset. */
  @IsOptional()
  @Matches(/^(?:[^<>@\p{Cc}]+ )?<?[^\s<>@]+@[^\s<>@]+>?$/u, { message: 'MAIL_FROM must look like Name <user@host>' })
  MAIL_FROM?: string;
  /** OpenAI-compatible endpoint of the installation's model; the vendor's of LLM_MODEL when unset. */
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  LLM_BASE_URL?: string;
  /** Key of that endpoint; none for one that asks for none. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]+$/, { message: 'LLM_API_KEY must be printable without spaces' })
  LLM_API_KEY?: string;
  /** Model that narrates and judges for everybody without settings of their own; nothing is asked when unset. */
  @ValidateIf((config: AppConfig) => config.LLM_BASE_URL !== undefined || config.LLM_API_KEY !== undefined)
  @IsString({ message: 'LLM_MODEL must name a model when LLM_BASE_URL or LLM_API_KEY is set' })
  LLM_MODEL?: string;
  /** Secret that GitHub signs its deliveries to /api/v1/webhooks/github with; none are taken when unset. */
  @IsOptional() @IsString() GITHUB_WEBHOOK_SECRET?: string;
  /** Crash tests only: `<fault point>[:<passage>]` at which the process kills itself. */
  @IsOptional() @IsString() FAULT_POINT?: string;

  get isLoopback(): boolean {
    return this.HOST === 'localhost' || this.HOST === '::1' || this.HOST.startsWith('127.');
  }

  get signup(): 'open' | 'invite' | 'closed' {
    return this.SIGNUP ?? (this.isLoopback ? 'open' : 'invite');
  }

  /**
   * Base of links in what outlives a request, without a trailing slash. Never the Host header of some request, which
   * its sender chooses.
   */
  get publicUrl(): string {
    if (this.PUBLIC_URL) return this.PUBLIC_URL.replace(/\/+$/, '');
    const host = ['0.0.0.0', '::'].includes(this.HOST) ? 'localhost' : this.HOST;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.PORT}`;
  }
}

/** Thrown when the environment is unusable; `problems` has one readable line per setting. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads and validates the settings; empty variables count as unset. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): AppConfig {
  const known = Object.keys(new AppConfig()).concat(OPTIONAL_SETTINGS);
  const given = Object.fromEntries(
    known.map((name) => [name, env[name]] as const).filter(([, value]) => !!value?.trim()),
  );
  const config = plainToInstance(AppConfig, given, { exposeDefaultValues: true });
  const problems = validateSync(config, { stopAtFirstError: true }).flatMap((error) =>
    Object.values(error.constraints ?? {}).map((text) => text + shownValue(error)),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Settings that hold a password: a problem names them without their value. */
const SECRET_SETTINGS = new Set([
  'DATABASE_URL',
  'REDIS_URL',
  'SMTP_URL',
  'SMTP_PASSWORD',
  'OIDC_CLIENT_SECRET',
  'LLM_API_KEY',
  'GITHUB_WEBHOOK_SECRET',
]);

function shownValue({ property, value }: ValidationError): string {
  return SECRET_SETTINGS.has(property) && value !== undefined ? '' : ` (now: ${JSON.stringify(value)})`;
}

const OPTIONAL_SETTINGS = [
  'DATABASE_URL',
  'REDIS_URL',
  'PUBLIC_URL',
  'SANDBOX_EGRESS_HOSTS',
  'AGENT_COMMAND',
  'CODE_EDITOR_COMMAND',
  'PREVIEW_ORIGIN',
  'SIGNUP',
  'TRUST_PROXY',
  'CORS_ORIGINS',
  'STORE_WORKERS',
  'S3_BUCKET',
  'S3_ENDPOINT',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'SMTP_URL',
  'SMTP_HOST',
  'SMTP_PORT',
  'SMTP_USER',
  'SMTP_PASSWORD',
  'SMTP_SECURE',
  'MAIL_FROM',
  'STRIPE_SECRET_KEY',
  'STRIPE_WEBHOOK_SECRET',
  'STRIPE_PRICE_STARTER',
  'STRIPE_PRICE_PRO',
  'STRIPE_PRICE_TEAM',
  'BILLING_RETURN_URL',
  'FAULT_POINT',
  'OUTBOUND_ALLOW_PRIVATE',
  'NODE_EXTRA_CA_CERTS',
  'DNS_SERVER',
  'OIDC_ISSUER',
  'OIDC_CLIENT_ID',
  'OIDC_CLIENT_SECRET',
  'LLM_BASE_URL',
  'LLM_API_KEY',
  'LLM_MODEL',
  'GITHUB_WEBHOOK_SECRET',
];
