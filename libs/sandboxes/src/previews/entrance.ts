import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { newDoorFolder } from '../egress/door-folder.js';

/** Connections at once: each is two processes of the sandbox. */
const MAX_OPEN = 32;
const MAX_WAITING = 256;
/** Kept of what comes from inside without being asked for. */
const MAX_IDLE = 4;
const WAIT_MS = 15_000;

interface Waiter {
  take(socket: Socket): void;
  refuse(error: Error): void;
}

/**
 * The server's side of a way into one command. Nothing of the sandbox's is ever opened from here: a relay that was started
 * with the command connects to a socket of the server's, waits to be told a port, and goes on to that port inside.
 */
export class Entrance {
  private readonly log = new Logger(Entrance.name);
  private readonly server: Server;
  private readonly idle = new Set<Socket>();
  private readonly open = new Set<Socket>();
  private readonly waiting = new Set<Waiter>();
  private isClosed = false;

  private constructor(private readonly folder: string) {
    this.server = createServer((socket) => this.receive(socket));
    this.server.maxConnections = MAX_OPEN + MAX_IDLE;
  }

  static async create(): Promise<Entrance> {
    const entrance = new Entrance(await newDoorFolder('preview'));
    try {
      await new Promise<void>((resolve, reject) => {
        entrance.server.once('error', reject);
        entrance.server.listen({ path: entrance.socket, readableAll: true, writableAll: true }, resolve);
      });
    } catch (error) {
      await entrance.close();
      throw error;
    }
    return entrance;
  }

  /** Where the relay finds it. */
  get socket(): string {
    return join(this.folder, 'entrance.sock');
  }

  /** A connection to a port inside; one that nobody listens at ends at once. Errors: `unavailable`. */
  async connect(port: number): Promise<Socket> {
    const socket = await this.next();
    // The other end is the sandbox's: whatever becomes of it, its user is told by the end of the connection.
    socket.on('error', () => undefined);
    socket.write(`${port}\n`);
    return socket;
  }

  /** Ends every connection. Safe to call twice. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.server.close();
    for (const waiter of this.waiting) waiter.refuse(gone());
    for (const socket of [...this.idle, ...this.open]) socket.destroy();
    await rm(this.folder, { recursive: true, force: true }).catch((error: unknown) =>
      this.log.warn({ msg: 'the folder of a preview is left over', folder: this.folder, err: error }),
    );
  }

  private receive(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.isClosed || this.idle.size >= MAX_IDLE) return void socket.destroy();
    this.idle.add(socket);
    socket.once('close', () => {
      this.idle.delete(socket);
      this.open.delete(socket);
      this.pair();
    });
    this.pair();
  }

  private next(): Promise<Socket> {
    if (this.isClosed) return Promise.reject(gone());
    if (this.waiting.size >= MAX_WAITING) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
      };
      const waiter: Waiter = {
        take: (socket) => {
          end();
          resolve(socket);
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.refuse(busy()), WAIT_MS);
      this.waiting.add(waiter);
      this.pair();
    });
  }

  /** Who waits longest is served first. */
  private pair(): void {
    for (const waiter of this.waiting) {
      const [socket] = this.idle;
      if (!socket || this.open.size >= MAX_OPEN) return;
      this.idle.delete(socket);
      this.open.add(socket);
      waiter.take(socket);
    }
  }
}

function gone(): DomainError {
  return new DomainError('unavailable', 'The preview has ended', { reason: 'preview_ended' });
}

function busy(): DomainError {
  return new DomainError('unavailable', 'The preview has no connection free', { reason: 'preview_busy' });
}
