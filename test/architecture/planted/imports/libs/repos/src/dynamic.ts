// expect: repos-imports
export const late = async () => import('#sessions');
