/** What no program of a sandbox needs: ways into the kernel, into other processes and to other name spaces. */
const REFUSED = {
  x64: {
    ptrace: 101,
    syslog: 103,
    pivot_root: 155,
    adjtimex: 159,
    acct: 163,
    settimeofday: 164,
    mount: 165,
    umount2: 166,
    swapon: 167,
    swapoff: 168,
    reboot: 169,
    sethostname: 170,
    setdomainname: 171,
    iopl: 172,
    ioperm: 173,
    init_module: 175,
    delete_module: 176,
    quotactl: 179,
    lookup_dcookie: 212,
    clock_settime: 227,
    kexec_load: 246,
    add_key: 248,
    request_key: 249,
    keyctl: 250,
    unshare: 272,
    move_pages: 279,
    perf_event_open: 298,
    fanotify_init: 300,
    name_to_handle_at: 303,
    open_by_handle_at: 304,
    clock_adjtime: 305,
    setns: 308,
    process_vm_readv: 310,
    process_vm_writev: 311,
    kcmp: 312,
    finit_module: 313,
    kexec_file_load: 320,
    bpf: 321,
    userfaultfd: 323,
  },
  arm64: {
    ptrace: 117,
    syslog: 116,
    pivot_root: 41,
    adjtimex: 171,
    acct: 89,
    settimeofday: 170,
    mount: 40,
    umount2: 39,
    swapon: 224,
    swapoff: 225,
    reboot: 142,
    sethostname: 161,
    setdomainname: 162,
    init_module: 105,
    delete_module: 106,
    quotactl: 60,
    lookup_dcookie: 18,
    clock_settime: 112,
    kexec_load: 104,
    add_key: 217,
    request_key: 218,
    keyctl: 219,
    unshare: 97,
    move_pages: 239,
    perf_event_open: 241,
    fanotify_init: 262,
    name_to_handle_at: 264,
    open_by_handle_at: 265,
    clock_adjtime: 266,
    setns: 268,
    process_vm_readv: 270,
    process_vm_writev: 271,
    kcmp: 272,
    finit_module: 273,
    kexec_file_load: 294,
    bpf: 280,
    userfaultfd: 282,
  },
} as const;

/** Calls of recent kernels have one number everywhere. */
const REFUSED_EVERYWHERE = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  pidfd_getfd: 438,
  mount_setattr: 442,
  quotactl_fd: 443,
} as const;

/** Second names for files. */
const LINKS = { x64: [86, 265], arm64: [37] } as const;

const CLONE3 = 435;
const MACHINES = {
  x64: { audit: 0xc000003e, clone: 56, ioctl: 16, fallocate: 285 },
  arm64: { audit: 0xc00000b7, clone: 220, ioctl: 29, fallocate: 47 },
} as const;

/** CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET} */
const NEW_NAMESPACES = 0x7e020080;
/** Typing into the terminal that somebody else reads. */
const TERMINAL_INPUT = [0x5412, 0x541c];
const X32 = 0x40000000;

const EPERM = 1;
const EXDEV = 18;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const refuseWith = (errno: number): number => 0x00050000 | errno;

/** Offsets in what the kernel shows the filter; arguments by their lower halves. */
const NUMBER = 0;
const MACHINE = 4;
const ARGUMENT = (n: number): number => 16 + 8 * n;

const LOAD = 0x20;
const IF_EQUAL = 0x15;
const IF_AT_LEAST = 0x35;
const IF_ANY_BIT = 0x45;
const ANSWER = 0x06;

type Step = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

export type FilteredMachine = keyof typeof MACHINES;

export function isFilteredMachine(machine: string): machine is FilteredMachine {
  return Object.hasOwn(MACHINES, machine);
}

/**
 * The system calls of a sandbox, as the bytes that `bwrap --seccomp` reads. Everything is allowed but a list: programs
 * of all kinds run here, and it is the name spaces that keep them in. Without `allowsLinks` no file gets a second name, as
 * if each were on a file system of its own: programs know that, and copy.
 */
export function seccompFilter(machine: FilteredMachine, { allowsLinks }: { readonly allowsLinks: boolean }): Buffer {
  const { audit, clone, ioctl, fallocate } = MACHINES[machine];
  const refused = [...Object.values(REFUSED[machine]), ...Object.values(REFUSED_EVERYWHERE)];
  const steps: Step[] = [
    [LOAD, 0, 0, MACHINE],
    [IF_EQUAL, 1, 0, audit],
    [ANSWER, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER],
    // A second set of numbers on x86, for the same calls.
    ...(machine === 'x64' ? unless([IF_AT_LEAST, X32], refuseWith(ENOSYS)) : []),
    ...refused.flatMap((number) => unless([IF_EQUAL, number], refuseWith(EPERM))),
    ...(allowsLinks ? [] : LINKS[machine]).flatMap((number) => unless([IF_EQUAL, number], refuseWith(EXDEV))),
    // Its flags are behind a pointer, out of the filter's sight. The C library then calls clone.
    ...unless([IF_EQUAL, CLONE3], refuseWith(ENOSYS)),
    // It takes room on the disk that is not counted as written. Programs then write, as where file systems lack it.
    ...unless([IF_EQUAL, fallocate], refuseWith(EOPNOTSUPP)),
    ...ofCall(clone, [[LOAD, 0, 0, ARGUMENT(0)], ...unless([IF_ANY_BIT, NEW_NAMESPACES], refuseWith(EPERM))]),
    ...ofCall(ioctl, [
      [LOAD, 0, 0, ARGUMENT(1)],
      ...TERMINAL_INPUT.flatMap((request) => unless([IF_EQUAL, request], refuseWith(EPERM))),
    ]),
    [ANSWER, 0, 0, ALLOW],
  ];
  return Buffer.concat(steps.map(encode));
}

function unless([test, value]: readonly [number, number], answer: number): Step[] {
  return [
    [test, 0, 1, value],
    [ANSWER, 0, 0, answer],
  ];
}

/** Steps for one call only; the number is loaded again after them. */
function ofCall(number: number, steps: readonly Step[]): Step[] {
  return [[IF_EQUAL, 0, steps.length + 1, number], ...steps, [LOAD, 0, 0, NUMBER]];
}

/** struct sock_filter, in the machine's order: both of them are little-endian. */
function encode([code, ifTrue, ifFalse, value]: Step): Buffer {
  const step = Buffer.alloc(8);
  step.writeUInt16LE(code, 0);
  step.writeUInt8(ifTrue, 2);
  step.writeUInt8(ifFalse, 3);
  step.writeUInt32LE(value >>> 0, 4);
  return step;
}
