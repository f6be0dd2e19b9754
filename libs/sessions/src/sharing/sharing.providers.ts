import type { Provider } from '@nestjs/common';
import { ShareGuesses } from './share-guesses.js';
import { ShareLinksRepository } from './share-links.repository.js';
import { ShareLinksService } from './share-links.service.js';
import { SharePasswords } from './share-passwords.js';
import { SharedAccess } from './shared-access.service.js';
import { SharedArchivesRepository } from './shared-archives.repository.js';
import { SharedArchives } from './shared-archives.service.js';
import { SharedConversation } from './shared-conversation.service.js';

/** What share links need, inside the module of sessions. */
export const SHARING_PROVIDERS: Provider[] = [
  ShareGuesses,
  ShareLinksRepository,
  ShareLinksService,
  SharePasswords,
  SharedAccess,
  SharedArchives,
  SharedArchivesRepository,
  SharedConversation,
];
