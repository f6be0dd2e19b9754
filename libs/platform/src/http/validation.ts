import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { DomainError } from '#kernel';

/** class-validator constraint → the `type` slug of sessionfs-1.md §2.3. */
const TYPES: Readonly<Record<string, string>> = {
  isDefined: 'missing',
  isNotEmpty: 'missing',
  isString: 'string_type',
  isInt: 'int_type',
  isBoolean: 'bool_type',
  isArray: 'list_type',
  isIn: 'literal_error',
  isEnum: 'literal_error',
  minLength: 'string_too_short',
  maxLength: 'string_too_long',
  min: 'greater_than_equal',
  max: 'less_than_equal',
  matches: 'string_pattern_mismatch',
};

const SECRET_FIELD = /password|secret|token|key/i;

/**
 * Validates DTOs. The first problem becomes the message (its text is the contract's where the DTO says so); all of
 * them travel in `errors`. Unknown members are dropped unless a nested DTO refuses them itself.
 */
export function validationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    stopAtFirstError: true,
    forbidUnknownValues: false,
    validateCustomDecorators: false,
    exceptionFactory: (errors) => validationFailure(errors),
  });
}

interface FieldProblem {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input?: unknown;
}

function validationFailure(errors: ValidationError[]): DomainError {
  const problems = errors.flatMap((error) => flatten(error, ['body']));
  const first = problems[0];
  return new DomainError('invalid_input', first?.msg ?? 'Validation error', {
    details: { errors: problems },
    ...(first && { field: first.loc.slice(1).join('.') }),
  });
}

function flatten(error: ValidationError, parents: readonly (string | number)[]): FieldProblem[] {
  const loc = [...parents, /^\d+$/.test(error.property) ? Number(error.property) : error.property];
  const own = Object.entries(error.constraints ?? {}).map(([constraint, msg]) => ({
    type: error.value === undefined ? 'missing' : (TYPES[constraint] ?? 'value_error'),
    loc,
    msg,
    ...(!SECRET_FIELD.test(error.property) && { input: (error.value as unknown) ?? null }),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, loc))];
}
