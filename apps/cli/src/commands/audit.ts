import { readFileSync } from 'node:fs';
import { dataDirOf } from '../data-dir.js';
import { openDatabase } from '../open-database.js';
import { readOptions, UsageError } from '../usage.js';

const USAGE = `Usage: roundhouse audit verify [--account <slug>] [--public-key <file>]
       roundhouse audit public-key`;

/** `verify` exits with 1 when anything differs from what was sealed. */
export async function run(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<number> {
  const [what, ...rest] = args;
  if (what === 'verify') return verify(env, readOptions(rest, ['account', 'public-key'], USAGE));
  if (what === 'public-key' && rest.length === 0) return printPublicKey(env);
  throw new UsageError(USAGE);
}

async function verify(env: NodeJS.ProcessEnv, options: Readonly<Record<string, string>>): Promise<number> {
  const pem = await publicKey(env, options['public-key']);
  const { AuditChainsRepository, AuditVerifier, Database, signatureCheck } = await import('#platform');
  const { DataSource } = await import('typeorm');
  const database = await openDatabase(env, {
    dataDir: dataDirOf(env),
    joinRunning: true,
    mustExist: true,
    report: console.error,
  });
  try {
    const source = await new DataSource({
      type: 'postgres',
      url: database.url,
      applicationName: 'roundhouse-audit',
    }).initialize();
    try {
      const verifier = new AuditVerifier(new AuditChainsRepository(new Database(source)));
      const summary = await verifier.verify({
        ...(options['account'] !== undefined && { accountSlug: options['account'] }),
        isSigned: signatureCheck(pem),
        onChain: ({ chain, sealed, firstId, lastId }) =>
          console.log(`chain ${chain}: ${sealed} sealed, rows ${firstId ?? '-'} to ${lastId ?? '-'}`),
        onProblem: ({ kind, chain, auditId, text }) =>
          console.log(
            `PROBLEM ${kind}${auditId === null ? '' : ` row ${auditId}`}${chain === null ? '' : ` in chain ${chain}`}: ${text}`,
          ),
      });
      console.log(
        `${summary.chains} chains, ${summary.sealed} rows sealed, ${summary.unsealed} not sealed yet, ${summary.problems} problems`,
      );
      return summary.problems === 0 ? 0 : 1;
    } finally {
      await source.destroy();
    }
  } finally {
    await database.close();
  }
}

async function printPublicKey(env: NodeJS.ProcessEnv): Promise<number> {
  process.stdout.write(await publicKey(env, undefined));
  return 0;
}

async function publicKey(env: NodeJS.ProcessEnv, file: string | undefined): Promise<string> {
  if (file !== undefined) return readFileSync(file, 'utf8');
  const { auditPublicKey } = await import('#platform');
  const pem = auditPublicKey(dataDirOf(env));
  if (pem !== null) return pem;
  throw new Error(`There is no audit-signing.key in ${dataDirOf(env)}/secrets; name the public key with --public-key.`);
}
