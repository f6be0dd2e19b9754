import { BlobSpool, type SpooledBlob } from '#kernel';
import { isJsonObject, type JsonObject, parseObject } from '../conversation/json.js';
import { redactTitle } from '../conversation/secrets/redact-title.js';
import { type ArchiveLimits, archiveTooLarge, assertMemberSize } from './archive-limits.js';
import { ContentHash } from './content-hash.js';
import { type Conversation, ConversationIntake } from './conversation-intake.js';
import { type DlpOutcome, type DlpRules, DlpScreen } from './dlp-screen.js';
import { inflate } from './inflate.js';
import { Layout, type MemberRole } from './layout.js';
import { type Member, members } from './members.js';
import { EMPTY_INDEX, countMessages } from './message-log.js';
import { type ArchiveMetadata, readMetadata } from './metadata.js';
import { Repack } from './repack.js';
import { storableObject } from './storable.js';

/** What one pass over a pushed archive found. Plain data; the two blobs lie in the spool folder until kept or dropped. */
export interface ArchiveReading {
  /** The bytes as received, or written anew where secrets were taken out; its digest is the ETag. */
  readonly archive: SpooledBlob;
  /**
   * Equal for archives that differ in nothing but times and the client's own notes (content-hash.ts). Of what is stored:
   * the same archive pushed again, redacted again, is the same.
   */
  readonly contentHash: string;
  /** ETag of the version the client last knew (`manifest.sync.etag`); null for a first push. */
  readonly basedOn: string | null;
  readonly metadata: ArchiveMetadata;
  readonly conversation: Conversation;
  /** `workspace.json` and `tools.json`, fit for jsonb. */
  readonly workspace: JsonObject | null;
  readonly tools: JsonObject | null;
  /** What was wrong with the manifest and its neighbours, in words for the owner. */
  readonly problems: readonly string[];
  /** Null when nobody wanted it searched. */
  readonly dlp: DlpOutcome | null;
}

export interface ArchiveTask {
  readonly limits: ArchiveLimits;
  /** What to look for; what is found is redacted or refused before anything is made of it. */
  readonly dlp: DlpRules | null;
  readonly spoolFolder: string;
}

type DocumentRole = Exclude<MemberRole, 'messages'>;

const MAX_DOCUMENT_BYTES = { manifest: 1_048_576, workspace: 4 * 1_048_576, tools: 4 * 1_048_576 } as const;
const NO_CONVERSATION: Conversation = { log: null, index: EMPTY_INDEX, badLineCount: 0, badLines: [], prompt: null };

/**
 * Receives an archive in one pass with constant memory: spools the bytes, holds the rules of sessionfs-1.md §7.3, writes
 * the message log, collects the documents. Blocks its thread while it parses: meant for a worker. On failure nothing is
 * left behind. Errors: `bad_request`, `payload_too_large`, `forbidden` (`dlp_blocked`), `unprocessable`
 * (`dlp_pattern_too_slow`), `unavailable` (`disk_full`), or what `source` throws.
 */
export async function readArchive(source: AsyncIterable<Uint8Array>, task: ArchiveTask): Promise<ArchiveReading> {
  const pass = new ArchivePass(await BlobSpool.create(task.spoolFolder), task);
  try {
    await pass.start();
    for await (const member of members(inflate(pass.received(source)), task.limits)) await pass.take(member);
    return await pass.finish();
  } catch (error) {
    await pass.discard();
    throw error;
  }
}

class ArchivePass {
  private readonly layout = new Layout();
  private readonly contents = new ContentHash();
  private readonly documents = new Map<DocumentRole, Buffer | null>();
  private conversation: ConversationIntake | null = null;
  private screen: DlpScreen | null = null;
  private repack: Repack | null = null;

  constructor(
    private readonly spool: BlobSpool,
    private readonly task: ArchiveTask,
  ) {}

  async start(): Promise<void> {
    const { dlp, spoolFolder } = this.task;
    this.screen = dlp && new DlpScreen(dlp);
    if (this.screen?.redacts) this.repack = await Repack.create(spoolFolder);
  }

  async *received(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      if (this.spool.bytes + chunk.byteLength > this.task.limits.archiveBytes) throw archiveTooLarge(this.task.limits);
      await this.spool.write(chunk);
      yield chunk;
    }
  }

  async take(received: Member): Promise<void> {
    const member = this.screened(received);
    const { role, forgetsEarlier } = this.layout.place(member.path);
    if (forgetsEarlier) await this.forget();
    const hash = this.contents.member(member.path, member.bytes);
    const taker = role === null ? null : await this.takerOf(role);
    for await (const chunk of member.content) {
      hash.update(chunk);
      await taker?.push(chunk);
      await this.repack?.write(chunk);
    }
    hash.finish();
    // Redacted it may have grown.
    await this.repack?.endMember(member, (bytes) => assertMemberSize(member.path, bytes, this.task.limits));
    if (taker instanceof DocumentIntake) this.documents.set(taker.role, taker.finish());
  }

  async finish(): Promise<ArchiveReading> {
    const dlp = this.screen?.outcome() ?? null;
    const conversation = (await this.conversation?.finish()) ?? NO_CONVERSATION;
    const problems: string[] = [];
    const workspace = this.document('workspace', problems);
    const manifest = this.document('manifest', problems);
    const read = readMetadata({
      manifest: manifest ?? (this.documents.has('manifest') ? {} : null),
      workspace,
      prompt: conversation.prompt,
      messageCount: countMessages(conversation.index),
      redact: redactTitle,
    });
    return {
      archive: await this.stored(),
      contentHash: this.contents.digest(),
      basedOn: basedOn(manifest),
      metadata: read.metadata,
      conversation,
      workspace: workspace && storableObject(workspace),
      tools: this.storableDocument('tools', problems),
      problems: [...problems, ...read.problems],
      dlp,
    };
  }

  async discard(): Promise<void> {
    await this.spool.discard();
    await this.repack?.discard();
    await this.conversation?.discard();
  }

  private screened(member: Member): Member {
    const { screen } = this;
    if (screen === null) return member;
    const path = screen.pathOf(member.path);
    return { ...member, path, content: screen.contentOf(path, member.content) };
  }

  /** Of the two spools the one that is wanted. */
  private async stored(): Promise<SpooledBlob> {
    if (this.repack === null) return this.spool.finish();
    const [wanted, other] = this.screen?.hasFindings ? [this.repack, this.spool] : [this.spool, this.repack];
    await other.discard();
    return wanted.finish();
  }

  private async takerOf(role: MemberRole): Promise<DocumentIntake | ConversationIntake> {
    if (role !== 'messages') return new DocumentIntake(role);
    this.conversation = await ConversationIntake.create(this.task.spoolFolder);
    return this.conversation;
  }

  private async forget(): Promise<void> {
    this.documents.clear();
    await this.conversation?.discard();
    this.conversation = null;
  }

  private document(role: DocumentRole, problems: string[]): JsonObject | null {
    const bytes = this.documents.get(role);
    if (bytes === undefined) return null;
    const object = bytes === null ? undefined : parseObject(bytes.toString('utf8').replace(/^\ufeff/, ''));
    if (object === undefined) problems.push(`${role}.json is ${bytes === null ? 'too large' : 'not a JSON object'}`);
    return object ?? null;
  }

  private storableDocument(role: DocumentRole, problems: string[]): JsonObject | null {
    const object = this.document(role, problems);
    return object && storableObject(object);
  }
}

function basedOn(manifest: JsonObject | null): string | null {
  const sync = manifest?.['sync'];
  const etag = isJsonObject(sync) ? sync['etag'] : null;
  return typeof etag === 'string' && etag !== '' ? etag : null;
}

/** A small member, whole; null when it is not small. */
class DocumentIntake {
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;

  constructor(readonly role: DocumentRole) {}

  push(chunk: Uint8Array): void {
    this.bytes += chunk.byteLength;
    if (this.bytes <= MAX_DOCUMENT_BYTES[this.role]) this.chunks.push(chunk);
    else this.chunks.length = 0;
  }

  finish(): Buffer | null {
    return this.bytes > MAX_DOCUMENT_BYTES[this.role] ? null : Buffer.concat(this.chunks);
  }
}
