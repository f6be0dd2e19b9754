import { type AppConfig, ConfigError, loadConfig } from './app-config.js';

const DATABASE_URL = 'postgres://somewhere/db';

const load = (env: Record<string, string | undefined> = {}): AppConfig => loadConfig({ DATABASE_URL, ...env });

/** The lines a broken environment is answered with. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the environment', () => {
  it('needs nothing but a database', () => {
    expect({ ...load() }).toEqual({
      PORT: 8080,
      HOST: '127.0.0.1',
      DATA_DIR: './data',
      DATABASE_URL,
      DATABASE_POOL: expect.any(Number),
      AGENT_MAX_STEPS: 100,
      AGENT_TOKENS_PER_DAY: 200_000_000,
      AGENT_TOKENS_PER_HOUR: 20_000_000,
      AGENT_TOKENS_PER_TURN: 2_000_000,
      AGENT_TURNS_PER_DAY: 5_000,
      AGENT_TURNS_PER_HOUR: 300,
      APP_MODE: 'all',
      DEFAULT_TIER: 'enterprise',
      MAX_COMMIT_BODY: 26_214_400,
      MAX_PUSH_BYTES: 2_147_483_648,
      NARRATIVE_INTERVAL_SECONDS: 300,
      S3_REGION: 'us-east-1',
      MAINTENANCE_PACKS: 100,
      SANDBOX_CLONE_HOSTS: 'github.com',
      SANDBOX_CLONE_SECONDS: 600,
      SANDBOX_COMMANDS: 32,
      SANDBOX_COMMAND_SECONDS: 86_400,
      SANDBOX_CPU_PERCENT: 200,
      SANDBOX_DISK_BYTES: 10_737_418_240,
      SANDBOX_HIDE_FOREIGN: false,
      SANDBOX_IDLE_MINUTES: 30,
      SANDBOX_LIFETIME_MINUTES: 300,
      SANDBOX_MAX_CLONE_BYTES: 2_147_483_648,
      SANDBOX_MAX_UPLOAD_BYTES: 104_857_600,
      SANDBOX_MEMORY_BYTES: 2_147_483_648,
      SANDBOX_PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      SANDBOX_PROCESSES: 256,
      SANDBOX_RETENTION_HOURS: 24,
      SANDBOX_SCRATCH_BYTES: 536_870_912,
      SANDBOX_UID: 60_800,
      SESSION_VERSIONS_KEPT: 20,
      SESSION_VERSION_DAYS: 30,
      SESSION_BRANCH_DAYS: 180,
      SSO_KEY_HOURS: 12,
      SIGNUP_LIMIT_PER_HOUR: expect.any(Number),
      AUTH_FAILURE_LIMIT_PER_MINUTE: expect.any(Number),
      STRIPE_API_BASE: 'https://api.stripe.com',
      LOG_LEVEL: 'info',
      METRICS_PUBLIC: true,
      SHUTDOWN_GRACE_SECONDS: 20,
    });
  });

  it('is read as text and understood as numbers and switches', () => {
    expect(load({ PORT: '0', METRICS_PUBLIC: 'false', STORE_WORKERS: '3' })).toMatchObject({
      PORT: 0,
      METRICS_PUBLIC: false,
      STORE_WORKERS: 3,
    });
    expect(load({ METRICS_PUBLIC: '1' }).METRICS_PUBLIC).toBe(true);
  });

  it('counts empty and blank variables as unset, and ignores those it does not know', () => {
    const config = load({ PORT: '', HOST: '  ', SIGNUP: '', HOME: '/somewhere', constructor: 'x' });
    expect(config).toMatchObject({ PORT: 8080, HOST: '127.0.0.1' });
    expect(config.SIGNUP).toBeUndefined();
    expect(Object.keys(config)).not.toContain('HOME');
  });

  it('is refused with one readable line per problem, all at once', () => {
    const problems = problemsOf({ PORT: 'eighty', APP_MODE: 'both', DEFAULT_TIER: 'gold', METRICS_PUBLIC: 'perhaps' });
    expect(problems).toHaveLength(5);
    for (const name of ['PORT', 'APP_MODE', 'DEFAULT_TIER', 'METRICS_PUBLIC', 'DATABASE_URL']) {
      expect(problems.filter((line) => line.includes(name))).toHaveLength(1);
    }
    expect(problems.find((line) => line.includes('APP_MODE'))).toContain('"both"');
    expect(new ConfigError(problems).message.split('\n')).toHaveLength(6);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['DATABASE_POOL', '1'],
    ['MAX_COMMIT_BODY', '10'],
    ['PUBLIC_URL', 'code.example.com'],
    ['PUBLIC_URL', 'ftp://code.example.com'],
    ['SIGNUP', 'maybe'],
    ['LOG_LEVEL', 'loud'],
    ['STORE_WORKERS', '0'],
    ['OUTBOUND_ALLOW_PRIVATE', '10.0.0.0/33'],
    ['DNS_SERVER', 'dns.example.com'],
    ['SSO_KEY_HOURS', '0'],
    ['SMTP_URL', 'mail.example.org'],
    ['SMTP_URL', 'http://mail.example.org'],
    ['SMTP_URL', 'smtp://mail.example.org/?tls=no'],
    ['SMTP_URL', 'smtp://mail.example.org:port'],
    ['SMTP_URL', 'smtp://me:50%@mail.example.org'],
    ['SMTP_PORT', '0'],
    ['SMTP_SECURE', 'yes'],
    ['MAIL_FROM', 'Roundhouse'],
    ['MAIL_FROM', 'a@example.org, b@example.org'],
    ['MAIL_FROM', 'A\r\nBcc: x <a@example.org>'],
  ])('is refused with %s=%s', (name, value) => {
    const problems = problemsOf({ DATABASE_URL, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
  });
});

describe('a setting that holds a password', () => {
  it('is named without its value when it cannot be used', () => {
    const [problem] = problemsOf({ DATABASE_URL, SMTP_URL: 'smtp://me:hush@' });
    expect(problem).toContain('SMTP_URL');
    expect(problem).not.toContain('hush');
  });
});

describe('the base of links', () => {
  it.each([
    [{}, 'http://127.0.0.1:8080'],
    [{ HOST: '0.0.0.0', PORT: '80' }, 'http://localhost:80'],
    [{ HOST: '::1' }, 'http://[::1]:8080'],
    [{ PUBLIC_URL: 'https://code.example.org/base//' }, 'https://code.example.org/base'],
  ])('with %j is %s', (env, expected) => {
    expect(load(env).publicUrl).toBe(expected);
  });
});

describe('sign-up', () => {
  it.each([
    ['127.0.0.1', undefined, 'open'],
    ['127.0.0.53', undefined, 'open'],
    ['localhost', undefined, 'open'],
    ['::1', undefined, 'open'],
    ['0.0.0.0', undefined, 'invite'],
    ['::', undefined, 'invite'],
    ['0.0.0.0', 'open', 'open'],
    ['127.0.0.1', 'closed', 'closed'],
  ])('on %s with SIGNUP=%s is %s', (HOST, SIGNUP, expected) => {
    expect(load({ HOST, SIGNUP }).signup).toBe(expected);
  });
});
