import { Injectable, type OnModuleInit, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ACCESS_RULE, type AccessRule, describeRule } from './access-rule.js';

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly rule: AccessRule | undefined;
  /** Class and method, for messages. */
  readonly handler: string;
}

/** All routes of the process with their access rules. Boot fails when one declares none. */
@Injectable()
export class RouteTable implements OnModuleInit {
  private patterns: { readonly method: string; readonly pattern: RegExp }[] | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    const open = this.routes().filter((route) => !route.rule);
    if (open.length === 0) return;
    const names = open.map((route) => `${route.method} ${route.path} (${route.handler})`).join(', ');
    throw new Error(`Routes without an access rule: ${names}`);
  }

  routes(): Route[] {
    return this.discovery
      .getControllers()
      .filter((wrapper) => typeof wrapper.metatype === 'function' && wrapper.instance)
      .flatMap((wrapper) => this.routesOf(wrapper.metatype as new () => object, wrapper.instance as object));
  }

  /** `METHOD path → rule`, sorted: what the architecture test snapshots. */
  describe(): string[] {
    return this.routes()
      .map((route) => `${route.method} ${route.path} → ${route.rule ? describeRule(route.rule) : 'NONE'}`)
      .sort();
  }

  /** The methods that a concrete path answers, sorted; empty when no route has it. */
  methodsOf(path: string): string[] {
    this.patterns ??= this.routes().map((route) => ({ method: route.method, pattern: patternOf(route.path) }));
    const methods = this.patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    return [...new Set(methods)].sort();
  }

  private routesOf(controller: new () => object, instance: object): Route[] {
    const prototype = Object.getPrototypeOf(instance) as Record<string, unknown>;
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler = prototype[name] as (...args: never[]) => unknown;
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const rule = this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, [handler, controller]);
      const prefixes = asList(Reflect.getMetadata(PATH_METADATA, controller));
      const tails = asList(Reflect.getMetadata(PATH_METADATA, handler));
      return prefixes.flatMap((prefix) =>
        tails.map((tail) => ({
          method: RequestMethod[method],
          path: joinPath(prefix, tail),
          rule,
          handler: `${controller.name}.${name}`,
        })),
      );
    });
  }
}

function asList(path: unknown): string[] {
  return Array.isArray(path) ? (path as string[]) : [typeof path === 'string' ? path : ''];
}

function patternOf(path: string): RegExp {
  const segments = path
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\*\w+/g, '.+');
  return new RegExp(`^${segments}$`);
}

function joinPath(...parts: string[]): string {
  return (
    '/' +
    parts
      .map((part) => part.replace(/^\/+|\/+$/g, ''))
      .filter(Boolean)
      .join('/')
  );
}
