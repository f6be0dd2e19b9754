/** Far more than the program has statements; text that is made up at run time must not fill the server's memory. */
const MOST = 500;

/** Names for statements, so that PostgreSQL parses and plans each once per connection. */
export class StatementNames {
  private readonly names = new Map<string, string>();

  /** The statement's name, the same for the same text; none once there are too many. */
  of(sql: string): { name?: string } {
    const known = this.names.get(sql);
    if (known !== undefined) return { name: known };
    if (this.names.size >= MOST) return {};
    const name = `s${this.names.size + 1}`;
    this.names.set(sql, name);
    return { name };
  }
}
