/* SPDX-License-Identifier: MIT */
#ifndef IOASID_URCU_H
#define IOASID_URCU_H

/*
 * The flavours of liburcu (0.13 or later) as the library's, for programs that
 * already run it: a read section of liburcu protects lookups, and its grace
 * periods are waited for.
 *
 *	struct ioasid_rcu_config config = {
 *		.flavour = IOASID_RCU_CUSTOM,
 *		.ops = &ioasid_urcu_memb_ops,
 *	};
 *
 * ops_context stays NULL. Readers are the process's, not a domain's: any number
 * of domains share them, a thread registers once for all of them, and a reader
 * of any of them, or of the program's own, holds up all.
 *
 * Registration. memb and qsbr: every thread that looks up is registered with
 * liburcu, by the program with urcu_memb_register_thread() and so on, or by
 * ioasid_rcu_thread_register(), which leaves alone what is registered. What it
 * did is undone by ioasid_rcu_thread_unregister(), -ENOENT for other threads,
 * or at the thread's exit. It answers -ENOMEM or -EAGAIN if that cannot be
 * watched. bp registers threads by itself. Threads that only allocate, free and
 * defer need not be registered with any.
 *
 * qsbr. Registered threads report quiescent states to liburcu or by
 * ioasid_rcu_quiescent(), which is the same but for leaving an offline thread
 * so. Only registered threads go offline and online, others stay as they are.
 *
 * memb and qsbr look at one field of liburcu's own, so they are compiled anew
 * for another release of it.
 *
 * Grace periods. Polling has liburcu's default call_rcu worker run them, a
 * thread of the process that the first poll or ioasid_rcu_thread_register()
 * starts; liburcu ends the program if it cannot be. The worker gathers what
 * comes within some 10 ms. Nothing need be done about it at the program's exit.
 *
 * Signal handlers may look IDs up: memb and bp if the thread is registered
 * (bp: has read before), qsbr if it is online.
 *
 * fork, without exec. The program calls urcu_*_call_rcu_before_fork() before,
 * urcu_*_call_rcu_after_fork_parent() and _child() after it; with bp also
 * urcu_bp_before_fork() and so on, nested inside of these. No other thread may
 * be waiting for a grace period then: the child would find liburcu's lock held.
 * With bp, threads that use a domain at that time have registered. With memb
 * and qsbr the child uses a domain only if no other thread was registered; such
 * is liburcu.
 */

#include <ioasid/rcu.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const struct ioasid_rcu_ops ioasid_urcu_memb_ops;
extern const struct ioasid_rcu_ops ioasid_urcu_qsbr_ops;
extern const struct ioasid_rcu_ops ioasid_urcu_bp_ops;

#ifdef __cplusplus
}
#endif

#endif /* IOASID_URCU_H */
