import type { Provider } from '@nestjs/common';
import { AccountCommandsService } from './account-commands.service.js';
import { AccountFilesService } from './account-files.service.js';
import { AccountHomesRepository } from './account-homes.repository.js';
import { AccountHomesService } from './account-homes.service.js';
import { AccountRepositories } from './account-repositories.js';
import { AccountSandboxListService } from './account-sandbox-list.service.js';
import { AccountSandboxesService } from './account-sandboxes.service.js';
import { AccountUploadsService } from './account-uploads.service.js';
import { PersonalSessionsService } from './personal-sessions.service.js';
import { StagedFiles } from './staged-files.js';

/** Sandboxes of accounts themselves, and what these begin with. */
export const ACCOUNT_SANDBOX_PROVIDERS: Provider[] = [
  AccountCommandsService,
  AccountFilesService,
  AccountHomesRepository,
  AccountHomesService,
  AccountRepositories,
  AccountSandboxListService,
  AccountSandboxesService,
  AccountUploadsService,
  PersonalSessionsService,
  StagedFiles,
];
