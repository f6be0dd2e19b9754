import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsString, Matches, MaxLength, MinLength } from 'class-validator';

const NO_CONTROL = /^\P{Cc}*$/u;
const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** A name people read: trimmed, one line, 1 to `max` characters. */
export const IsName = (max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value)),
    Matches(NO_CONTROL, { message: '$property must not contain control characters' }),
    MaxLength(max),
    MinLength(1),
    IsString(),
  );

/** The slug of an account: lowercase letters, digits and single hyphens between them. */
export const IsSlug = (min: number, max = 100): PropertyDecorator =>
  applyDecorators(
    Matches(SLUG, { message: '$property must be lowercase letters, digits and single hyphens between them' }),
    MaxLength(max),
    MinLength(min),
    IsString(),
  );
