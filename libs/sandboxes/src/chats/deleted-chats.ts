import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EventConsumers, PeriodicTasks } from '#platform';
import { Conversations } from '../conversations/conversations.js';
import { ChatsRepository } from './chats.repository.js';

const EVERY_MS = 15_000;
const BATCH = 100;

/** Removes deleted chats once what was said in them is recorded: until then nobody sees them, but they are there. */
@Injectable()
export class DeletedChats implements OnModuleInit {
  constructor(
    private readonly chats: ChatsRepository,
    private readonly consumers: EventConsumers,
    private readonly tasks: PeriodicTasks,
  ) {}

  onModuleInit(): void {
    this.tasks.register({ name: 'chats.remove-deleted', everyMs: EVERY_MS, run: () => this.remove(null) });
  }

  /** Those of an account that are named, or all; what has to wait is left to a later round. */
  async remove(named: { readonly accountId: string; readonly id: string } | null): Promise<void> {
    // In this order: what a run says last is in the event of its end, and handling an event may put it off.
    for (const chat of await this.chats.findRemovable(named, BATCH)) {
      if (!(await this.consumers.isBehind(Conversations.RECORDER, chat.sandboxId))) await this.chats.remove(chat);
    }
  }
}
