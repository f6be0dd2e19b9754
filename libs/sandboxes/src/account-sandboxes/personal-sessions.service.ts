import { Injectable } from '@nestjs/common';
import { Memberships } from '#accounts';
import { DomainError } from '#kernel';
import { Idempotency, type Principal } from '#platform';
import type { Repo } from '#repos';
import type { Chat } from '../chats/chat.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionCreation } from '../coding-sessions/coding-session-creation.js';
import { AccountRepositories } from './account-repositories.js';

export interface PersonalSession {
  readonly session: CodingSession;
  readonly chat: Chat;
  /** What a client may say first, so that the agent knows where it is. */
  readonly bootstrapPrompt: string;
}

/** Sessions on the repository that is made for people who have no other (sandbox-sessions.md §A9.5). */
@Injectable()
export class PersonalSessionsService {
  constructor(
    private readonly repositories: AccountRepositories,
    private readonly creation: CodingSessionCreation,
    private readonly memberships: Memberships,
    private readonly idempotency: Idempotency,
  ) {}

  /**
   * The session and, the first time, the repository: both or neither. `render` makes the answer, which is recorded with
   * them. Errors: `conflict` for who has an organisation; those of `AccountRepositories.use`.
   */
  async create<Body>(caller: Principal, render: (made: PersonalSession) => Body): Promise<Body> {
    if (caller.orgId !== null || (await this.memberships.listOf(caller.userId)).length > 0) throw hasOrganisations();
    return this.repositories.use(caller, async (repo) => {
      const cloneUrl = this.repositories.urlOf(caller, repo);
      const made = await this.creation.create(caller, { ...NOTHING, cloneUrl });
      const body = render({ ...made, bootstrapPrompt: bootstrapPrompt(repo) });
      await this.idempotency.settle(200, body);
      return body;
    });
  }
}

const NOTHING = {
  title: null,
  repoOwner: null,
  repoName: null,
  branch: null,
  isNewBranch: false,
  organizationId: null,
  artistId: null,
};

function bootstrapPrompt({ slug, defaultBranch }: Repo): string {
  return [
    `You are in my personal repository "${slug}", on its branch "${defaultBranch}". It keeps my work between sessions.`,
    'Look at what is in it. If it is empty, begin a README.md that says what it is for, and commit that.',
    'Then tell me in a few sentences what you found, and ask what we work on.',
  ].join('\n');
}

function hasOrganisations(): DomainError {
  return new DomainError('conflict', 'Personal sessions are for people without an organization', {
    reason: 'has_organizations',
  });
}
