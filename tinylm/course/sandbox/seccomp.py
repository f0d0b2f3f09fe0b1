"""A list of the system calls that an exercise may make, given to the kernel (Linux seccomp, by ctypes).

What is not on the list is refused: the network, new processes and threads, signals to others, tracing, writing,
deleting or renaming files, mounting, and whatever later kernels bring. x86_64 and aarch64 are known.
"""

import ctypes
import errno
import platform
import struct
import sys

__all__ = ["available", "build", "install"]

# asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64) of Linux; what one of them lacks is left out
X86_64 = {
    "read": 0, "readv": 19, "pread64": 17, "write": 1, "writev": 20, "close": 3, "lseek": 8, "open": 2, "openat": 257,
    "stat": 4, "lstat": 6, "fstat": 5, "newfstatat": 262, "statx": 332, "access": 21, "faccessat": 269,
    "faccessat2": 439, "readlink": 89, "readlinkat": 267, "getcwd": 79, "getdents64": 217, "fcntl": 72, "ioctl": 16,
    "dup": 32, "dup2": 33, "dup3": 292, "pipe": 22, "pipe2": 293, "close_range": 436, "mmap": 9, "munmap": 11,
    "mprotect": 10, "mremap": 25, "madvise": 28, "brk": 12, "futex": 202, "set_robust_list": 273, "rseq": 334,
    "sched_yield": 24, "sched_getaffinity": 204, "getcpu": 309, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "sigaltstack": 131, "setitimer": 38, "getitimer": 36, "alarm": 37, "pause": 34,
    "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "nanosleep": 35,
    "gettimeofday": 96, "time": 201, "times": 100, "getrusage": 98, "poll": 7, "ppoll": 271, "select": 23,
    "pselect6": 270, "getpid": 39, "getppid": 110, "gettid": 186, "getuid": 102, "geteuid": 107, "getgid": 104,
    "getegid": 108, "getpgrp": 111, "getpgid": 121, "getsid": 124, "uname": 63, "sysinfo": 99, "getrandom": 318,
    "prlimit64": 302, "getrlimit": 97, "exit": 60, "exit_group": 231,
}  # fmt: skip
AARCH64 = {
    "read": 63, "readv": 65, "pread64": 67, "write": 64, "writev": 66, "close": 57, "lseek": 62, "openat": 56,
    "fstat": 80, "newfstatat": 79, "statx": 291, "faccessat": 48, "faccessat2": 439, "readlinkat": 78, "getcwd": 17,
    "getdents64": 61, "fcntl": 25, "ioctl": 29, "dup": 23, "dup3": 24, "pipe2": 59, "close_range": 436, "mmap": 222,
    "munmap": 215, "mprotect": 226, "mremap": 216, "madvise": 233, "brk": 214, "futex": 98, "set_robust_list": 99,
    "rseq": 293, "sched_yield": 124, "sched_getaffinity": 123, "getcpu": 168, "rt_sigaction": 134,
    "rt_sigprocmask": 135, "rt_sigreturn": 139, "sigaltstack": 132, "setitimer": 103, "getitimer": 102,
    "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "nanosleep": 101,
    "gettimeofday": 169, "times": 153, "getrusage": 165, "ppoll": 73, "pselect6": 72, "getpid": 172, "getppid": 173,
    "gettid": 178, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "getpgid": 155, "getsid": 156,
    "uname": 160, "sysinfo": 179, "getrandom": 278, "prlimit64": 261, "getrlimit": 163, "exit": 93, "exit_group": 94,
}  # fmt: skip
CALLS = {"x86_64": (0xC000003E, X86_64), "aarch64": (0xC00000B7, AARCH64)}  # AUDIT_ARCH_*: linux/audit.h

WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000  # O_WRONLY, RDWR, CREAT, TRUNC, APPEND, __O_TMPFILE
TERMINAL = (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONCLEX, FIOCLEX
DESCRIPTOR = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC; not F_SETOWN, a way to signal
NEW = 424  # system calls from here on are new: "not there" makes a C library fall back, "not allowed" need not

LOAD, EQUAL, GREATER, ANY, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: ld [k], jeq, jge, jset, ret
KILL, ERROR, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000  # SECCOMP_RET_*: linux/seccomp.h
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes each, low half first


def available() -> bool:
    """Whether there is a list for this machine; whether the kernel takes it is seen when it is installed."""
    return sys.platform == "linux" and platform.machine() in CALLS and sys.byteorder == "little"


def build(machine: str) -> bytes:
    """The filter as a program of the kernel's packet filter: 8 bytes an instruction."""
    architecture, calls = CALLS[machine]
    program = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    looked = {  # call → which argument, how it is compared, with what, and what comes where it is so
        "open": (1, ANY, (WRITING,), errno.EACCES),
        "openat": (2, ANY, (WRITING,), errno.EACCES),
        "prlimit64": (0, EQUAL, (0,), 0),
        "ioctl": (1, EQUAL, TERMINAL, 0),
        "fcntl": (1, EQUAL, DESCRIPTOR, 0),
    }
    for name, (argument, how, values, refusal) in looked.items():
        if name not in calls:
            continue
        met, unmet = (ERROR | refusal, ALLOW) if refusal else (ALLOW, ERROR | errno.EPERM)
        body = [(LOAD, 0, 0, ARGUMENT + 8 * argument)]
        body += [(how, len(values) - i, 0, value) for i, value in enumerate(values)]
        body += [(RETURN, 0, 0, unmet), (RETURN, 0, 0, met)]
        program += [(EQUAL, 0, len(body), calls[name]), *body]
    plain = [number for name, number in calls.items() if name not in looked]
    program += [(EQUAL, len(plain) - i + 2, 0, number) for i, number in enumerate(plain)]
    program += [(GREATER, 0, 1, NEW), (RETURN, 0, 0, ERROR | errno.ENOSYS), (RETURN, 0, 0, ERROR | errno.EPERM)]
    program += [(RETURN, 0, 0, ALLOW)]
    # of x86_64, the numbers of its 32-bit form begin at 2**30: none is on the list, all are NEW
    return b"".join(struct.pack("<HBBI", *each) for each in program)


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(program: bytes) -> bool:
    """Hold this process to the filter from here on; False where the kernel refuses. Needs no_new_privs."""
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(program, len(program))
    told = _Program(len(program) // 8, ctypes.cast(held, ctypes.c_void_p))
    result: int = libc.prctl(22, 2, ctypes.byref(told), 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    return result == 0
