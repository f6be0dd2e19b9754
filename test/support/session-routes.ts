import { RouteTable } from '../../libs/platform/src/index.js';
import type { Client } from './client.js';
import type { TestServer } from './server.js';

const MESSAGE = { id: 'm', role: 'assistant', parts: [{ type: 'text', text: 'x' }] };

/** How each route about a sandbox session answers when it is asked for that one with a body that it takes. */
export async function answersAbout(
  server: TestServer,
  by: Client,
  { sessionId, chatId }: { readonly sessionId: string; readonly chatId: string },
): Promise<Record<string, number>> {
  const routes = server.app
    .get(RouteTable)
    .routes()
    .filter(({ path }) => /^\/api\/(?:sessions\/:|sandbox(?:\/|$)|git-status|chat(?:$|\/:))/.test(path));
  const [messages, checkRuns] = [[{ ...MESSAGE, role: 'user' }], [{ name: 'x' }]];
  const answers: Record<string, number> = {};
  for (const { method, path } of routes) {
    const at = path.replace(':session_id', sessionId).replace(':chat_id', chatId).replace(':message_id', 'm');
    const asked = { sessionId, chatId, message: MESSAGE, messages, checkRuns };
    const body = /chats\/:chat_id$/.test(path) ? { title: 'x' } : asked;
    const answer = await by.send(method, `${at}?sessionId=${sessionId}&path=a`, method === 'GET' ? undefined : body);
    answers[`${method} ${path}`] = answer.status;
  }
  return answers;
}
