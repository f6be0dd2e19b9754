import type { Provider } from '@nestjs/common';
import { SkillDirectories } from './skill-directories.js';
import { SkillSweep } from './skill-sweep.js';
import { SkillsRepository } from './skills.repository.js';
import { SkillsService } from './skills.service.js';

/** Skills of agent sessions. */
export const SKILL_PROVIDERS: Provider[] = [SkillDirectories, SkillsRepository, SkillsService, SkillSweep];
