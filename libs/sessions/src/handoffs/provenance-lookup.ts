import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { BoundaryProject, NoProject, Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';

/** What a handoff takes along from its session's project. */
export interface HandoffReferences {
  readonly ticketId: string | null;
  readonly personaName: string | null;
  readonly attachments: readonly { readonly kind: string; readonly refId: string }[];
}

export type ProjectAnchor = Pick<CapturedSession, 'accountId' | 'userId' | 'gitRemote'>;

/** What projects know of captured sessions. Implemented by the lib that owns projects. */
export abstract class ProvenanceLookup {
  /** The project a session belongs to: the one it is linked to, else the one of its git remote. */
  abstract projectOf(session: ProjectAnchor): Promise<BoundaryProject | NoProject>;

  /** Ids of the projects a service key reaches. */
  abstract projectsReachedBy(caller: Principal): Promise<readonly string[]>;

  /** Errors: `invalid_input` for what does not exist in the session's project, or when it has none. */
  abstract assertKnown(session: ProjectAnchor, references: HandoffReferences): Promise<void>;
}

/** A server without projects: no session belongs to one. */
@Injectable()
export class NoProjects extends ProvenanceLookup {
  override projectOf(): Promise<BoundaryProject | NoProject> {
    return Promise.resolve('not_registered');
  }

  override projectsReachedBy(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  override assertKnown(_session: ProjectAnchor, references: HandoffReferences): Promise<void> {
    const field =
      references.ticketId !== null ? 'ticket_id' : references.personaName !== null ? 'persona_name' : 'attachments';
    return Promise.reject(
      new DomainError('invalid_input', `Session is not linked to a project, so ${field} names nothing`, { field }),
    );
  }
}
