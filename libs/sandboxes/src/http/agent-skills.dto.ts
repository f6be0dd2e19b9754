import { ApiProperty } from '@nestjs/swagger';
import type { Skill } from '../skills/skill.js';

/** As an upload is answered. */
export class AgentUploadedSkill {
  @ApiProperty() name!: string;
  @ApiProperty({ description: 'How many' }) files!: number;
  @ApiProperty({ description: 'Of all files, unpacked' }) total_bytes!: number;
  @ApiProperty({ description: 'Bytes of SKILL.md' }) skill_md_size!: number;

  static from({ name, files, totalBytes, skillMdBytes }: Skill): AgentUploadedSkill {
    return { name, files, total_bytes: totalBytes, skill_md_size: skillMdBytes };
  }
}

export class AgentSkill extends AgentUploadedSkill {
  @ApiProperty({ description: 'From the front matter of SKILL.md' }) description!: string;
  @ApiProperty({ description: 'Seconds since the epoch' }) created_at!: number;
  @ApiProperty({ description: 'When what it holds was uploaded; seconds since the epoch' }) updated_at!: number;

  static override from(skill: Skill): AgentSkill {
    return {
      ...AgentUploadedSkill.from(skill),
      description: skill.description,
      created_at: skill.createdAt.getTime() / 1_000,
      updated_at: skill.updatedAt.getTime() / 1_000,
    };
  }
}
