// expect: @typescript-eslint/await-thenable
export async function settle(): Promise<number> {
  return await 1;
}
