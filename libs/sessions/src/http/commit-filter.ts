import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';

const COMMIT = '^[0-9a-f]{7,64}$';

/** Sessions in which a commit was made, or at whose end the checkout stood on it. */
export const CommitFilter = (): PropertyDecorator => {
  const rules = [
    ApiPropertyOptional({ pattern: COMMIT, description: 'A commit of the session, by the beginning of its id' }),
    IsOptional(),
    Matches(new RegExp(COMMIT)),
    IsString(),
  ];
  return (target, name) => rules.forEach((rule) => rule(target, name));
};
