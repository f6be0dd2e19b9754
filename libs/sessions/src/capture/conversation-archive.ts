import type { SpooledBlob } from '#kernel';
import type { Conversation, ConversationMessage } from '#sandboxes';
import { Repack } from '../archive/repack.js';
import { type CapturedLine, linesOf } from './ui-message-lines.js';

/** What the sessions recorded here are said to come from. */
const CAPTURE_TOOL = 'roundhouse';

/**
 * Writes a conversation as an archive into the spool; holds one page of messages in memory. The same conversation makes
 * the same archive, so that recording it again stores nothing.
 */
export async function writeConversation(
  conversation: Conversation,
  messages: AsyncIterable<ConversationMessage>,
  spoolFolder: string,
): Promise<SpooledBlob> {
  const archive = await Repack.create(spoolFolder);
  try {
    const stats = { message_count: 0, turn_count: 0, tool_use_count: 0 };
    for await (const message of messages) {
      for (const line of linesOf(message, conversation.modelId)) {
        stats.message_count += 1;
        if (line.role === 'user') stats.turn_count += 1;
        stats.tool_use_count += toolUses(line);
        await archive.write(Buffer.from(`${JSON.stringify(line)}\n`));
      }
    }
    await endMember(archive, conversation, 'messages.jsonl');
    for (const [path, document] of documentsOf(conversation, stats)) {
      await archive.write(Buffer.from(JSON.stringify(document)));
      await endMember(archive, conversation, path);
    }
    return await archive.finish();
  } catch (error) {
    await archive.discard();
    throw error;
  }
}

function endMember(archive: Repack, { createdAt }: Conversation, path: string): Promise<void> {
  return archive.endMember({ path, modifiedAt: createdAt }, () => undefined);
}

const toolUses = ({ content }: CapturedLine): number =>
  content.filter((block) => (block as { type?: unknown }).type === 'tool_use').length;

function documentsOf(conversation: Conversation, stats: Readonly<Record<string, number>>): [string, object][] {
  const { sandboxId, chatId, title, modelId, checkout, createdAt } = conversation;
  const manifest = {
    sfs_version: '0.1.0',
    // Empty, the title is made of the first request.
    title: title ?? '',
    source: { tool: CAPTURE_TOOL, original_session_id: sandboxId },
    ...(modelId !== null && { model: { model_id: modelId } }),
    stats,
    created_at: createdAt.toISOString(),
    sandbox: { id: sandboxId, chat_id: chatId },
  };
  const { remote, branch, commit, commits } = checkout;
  const workspace = {
    git: { remote_url: remote, branch, commit_sha: commit, ...(commits.length > 0 && { commits }) },
  };
  return [
    ['manifest.json', manifest],
    ...(remote === null && branch === null && commit === null
      ? []
      : ([['workspace.json', workspace]] satisfies [string, object][])),
  ];
}
