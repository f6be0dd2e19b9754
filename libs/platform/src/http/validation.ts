import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
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
  return new WirePipe({
    transform: true,
    whitelist: true,
    stopAtFirstError: true,
    forbidUnknownValues: false,
    validateCustomDecorators: false,
    exceptionFactory: (errors) => new Unfit(errors),
  });
}

class Unfit extends Error {
  constructor(readonly problems: readonly ValidationError[]) {
    super('The input does not fit');
  }
}

/** Names where in the request a problem is, and what was sent: Nest tells that to the pipe only. */
class WirePipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    try {
      return (await super.transform(value, metadata)) as unknown;
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const place = metadata.type === 'param' ? 'path' : metadata.type;
      throw validationFailure(error.problems.flatMap((problem) => flatten(problem, [place], value)));
    }
  }
}

interface FieldProblem {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input?: unknown;
}

function validationFailure(problems: readonly FieldProblem[]): DomainError {
  const first = problems[0];
  return new DomainError('invalid_input', first?.msg ?? 'Validation error', {
    details: { errors: problems },
    ...(first && { field: first.loc.slice(1).join('.') }),
  });
}

function flatten(error: ValidationError, parents: readonly (string | number)[], within: unknown): FieldProblem[] {
  const loc = [...parents, /^\d+$/.test(error.property) ? Number(error.property) : error.property];
  const input = (Object(within) as Record<string, unknown>)[error.property];
  const own = Object.entries(error.constraints ?? {}).map(([constraint, msg]) => ({
    type: error.value === undefined ? 'missing' : (TYPES[constraint] ?? 'value_error'),
    loc,
    msg,
    ...(!SECRET_FIELD.test(error.property) && { input: input ?? null }),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, loc, input))];
}
