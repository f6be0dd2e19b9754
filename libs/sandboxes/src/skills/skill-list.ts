import { SKILLS_INSIDE } from './skill.js';

export interface KnownSkill {
  readonly name: string;
  readonly description: string;
}

/** What an agent is told of the skills of its sandbox. */
export function skillList(skills: readonly KnownSkill[]): string {
  const lines = skills.map(({ name, description }) => `- ${name}${description === '' ? '' : `: ${description}`}`);
  return [
    `Skills are instructions for certain work, each a directory ${SKILLS_INSIDE}/<name> that cannot be written. When one`,
    'fits what is asked, first read its SKILL.md by a command (cat), and follow it. There are:',
    ...lines,
  ].join('\n');
}
