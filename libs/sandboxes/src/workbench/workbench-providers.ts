import type { Provider } from '@nestjs/common';
import { CheckoutDiffService } from './checkout-diff.service.js';
import { CheckoutFilesService } from './checkout-files.service.js';
import { FoundSkillsService } from './found-skills.service.js';
import { GitWorkService } from './git-work.service.js';
import { SandboxGit } from './sandbox-git.js';
import { Workbenches } from './workbenches.js';

/** What is done in the checkouts of sessions. */
export const WORKBENCH_PROVIDERS: Provider[] = [
  CheckoutDiffService,
  CheckoutFilesService,
  FoundSkillsService,
  GitWorkService,
  SandboxGit,
  Workbenches,
];
