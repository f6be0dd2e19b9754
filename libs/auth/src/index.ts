export * from './admin/admin-user.js';
export { AdminUsersService } from './admin/admin-users.service.js';
export * from './auth.module.js';
