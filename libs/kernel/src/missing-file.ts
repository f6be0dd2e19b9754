/** For `.catch` of a file operation: the file not being there is this answer instead of a failure. */
export function ifAbsent<Result>(otherwise: Result): (error: unknown) => Result {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw error;
  };
}
