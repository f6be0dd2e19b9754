import type { Readable } from 'node:stream';
import { RunnerConnection, RunnerProcess } from '#platform';
import type { GitOperation, GitOperations } from './operations.js';

export interface GitRunnerOptions {
  /** Folder below which all repositories lie; the runner refuses others. */
  readonly root: string;
  /** Folder below which repositories may be checked out; without it none may. */
  readonly workspaces?: string;
  /** Also serve the yardsticks of the benchmark. */
  readonly bench?: boolean;
  /** Certificates that git trusts, as a PEM file; its own choice without. */
  readonly caFile?: string;
  /** Folders where git is looked for (a PATH); by default the system's usual ones. */
  readonly searchPath?: string;
  /** Arms a fault point (`name:nth`) in the first runner started, for crash tests. */
  readonly fault?: string;
}

type Params<N extends GitOperation> = GitOperations[N]['params'];
type Result<N extends GitOperation> = Promise<GitOperations[N]['result']>;

/**
 * The server's only way to run git: typed calls to the slim runner process, which is started once and restarted when
 * it dies. Calls in flight at that moment fail with `unavailable`; calls made during a restart wait for it. All
 * methods take an optional `signal`; aborting it kills the git process behind the call.
 */
export class GitRunner {
  private readonly connection: RunnerConnection;

  private constructor(private readonly process: RunnerProcess) {
    this.connection = new RunnerConnection(process);
  }

  /** Starts the runner and resolves once it takes calls. @throws unavailable */
  static async start(options: GitRunnerOptions): Promise<GitRunner> {
    const { root, workspaces, bench, searchPath, fault, caFile } = options;
    const process = new RunnerProcess({
      name: 'git',
      entry: 'apps/runner/src/main.js',
      args: [
        ...['--root', root],
        ...(workspaces ? ['--workspaces', workspaces] : []),
        ...(bench ? ['--bench'] : []),
        ...(caFile ? ['--ca-file', caFile] : []),
      ],
      ...(fault !== undefined && { firstArgs: ['--fault', fault] }),
      ...(searchPath !== undefined && { searchPath }),
    });
    await process.start();
    return new GitRunner(process);
  }

  /** Process id of the runner now running, for health and tests. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Answers one canonical fetch request (contract 15.3); the wants must have passed `checkWants`. */
  uploadPack(params: Params<'upload-pack'>, request: Buffer | Readable, signal?: AbortSignal): Promise<Readable> {
    return this.connection.converse('upload-pack', params, request, signal);
  }

  /** A working tree with a repository of its own. @throws upstream_failed, unprocessable, payload_too_large, timeout */
  checkOut(params: Params<'check-out'>, signal?: AbortSignal): Result<'check-out'> {
    return this.connection.ask('check-out', params, signal);
  }

  checkWants(params: Params<'check-wants'>, signal?: AbortSignal): Result<'check-wants'> {
    return this.connection.ask('check-wants', params, signal);
  }

  /**
   * Takes a pack into a quarantine (see quarantine.ts). Reads `pack` to its end even when it is bad.
   * @throws unprocessable with git's reason for a bad pack; payload_too_large; the quarantine is gone then
   */
  indexPack(params: Params<'index-pack'>, pack: Readable, signal?: AbortSignal): Result<'index-pack'> {
    return this.connection.upload('index-pack', params, pack, signal);
  }

  connectivity(params: Params<'connectivity'>, signal?: AbortSignal): Result<'connectivity'> {
    return this.connection.ask('connectivity', params, signal);
  }

  /** @throws not_found for an unknown commit */
  async isAncestor(params: Params<'is-ancestor'>, signal?: AbortSignal): Promise<boolean> {
    return (await this.connection.ask<{ isAncestor: boolean }>('is-ancestor', params, signal)).isAncestor;
  }

  /** The best common ancestor, null for unrelated histories. @throws not_found for an unknown commit */
  async mergeBase(params: Params<'merge-base'>, signal?: AbortSignal): Promise<string | null> {
    return (await this.connection.ask<{ base: string | null }>('merge-base', params, signal)).base;
  }

  /** Repacks a live repository; one runs at a time. Refs on disk must be projected before. */
  maintenance(params: Params<'maintenance'>, signal?: AbortSignal): Result<'maintenance'> {
    return this.connection.ask('maintenance', params, signal);
  }

  fsck(params: Params<'fsck'>, signal?: AbortSignal): Result<'fsck'> {
    return this.connection.ask('fsck', params, signal);
  }

  countObjects(params: Params<'count-objects'>, signal?: AbortSignal): Result<'count-objects'> {
    return this.connection.ask('count-objects', params, signal);
  }

  /** Yardstick of the benchmark; only with `bench`. */
  fastImport(params: Params<'fast-import'>, stream: Buffer | Readable, signal?: AbortSignal): Promise<Readable> {
    return this.connection.converse('fast-import', params, stream, signal);
  }

  /** Yardstick of the benchmark: commands in, objects out, both open at once; only with `bench`. */
  catFile(params: Params<'cat-file'>, commands: Readable, signal?: AbortSignal): Promise<Readable> {
    return this.connection.converse('cat-file', params, commands, signal);
  }

  /** Stops the runner and every git process below it. Later calls fail. */
  close(): Promise<void> {
    return this.process.close();
  }
}
