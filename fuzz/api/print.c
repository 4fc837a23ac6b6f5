/* SPDX-License-Identifier: MIT */
/* What ran on one store, as a C program that runs it again. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "fuzz/api/harness.h"
#include "fuzz/target.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>

static const char *error_name(int ret)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define NAME(error) { error, "-" #error }
		NAME(EACCES), NAME(EAGAIN), NAME(EBUSY),	NAME(EDEADLK),
		NAME(EINVAL), NAME(ENFILE), NAME(ENOENT),	NAME(ENOMEM),
		NAME(ENOSPC), NAME(EXDEV),  NAME(EOVERFLOW),	NAME(E2BIG),
		NAME(EDQUOT), NAME(EEXIST), NAME(ENAMETOOLONG), NAME(ERANGE),
		NAME(ESTALE), NAME(ENODEV), NAME(EBADMSG),	NAME(EIO),
		NAME(EPERM),
#undef NAME
	};
	static char number[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ret == -names[i].error)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", ret);
	return number;
}

static const char *set_name(uint32_t set)
{
	static char text[24];

	if (set == SET_NONE)
		return "NULL";
	if (set == SET_FOREIGN)
		return "&foreign";
	if (set >= SET_MADE)
		snprintf(text, sizeof(text), "actors.made[%" PRIu32 "]",
			 set - SET_MADE);
	else
		snprintf(text, sizeof(text), "&set[%" PRIu32 "]", set - 1);
	return text;
}

/* `CHECK(CALL == RET`, or only the call if nothing is known of it. */
static void open_check(FILE *file, const struct step_result *result)
{
	fputs(result->done && !result->any ? "\tCHECK(" : "\t(void)(", file);
}

static void close_check(FILE *file, const struct step_result *result)
{
	if (result->done && !result->any)
		fprintf(file, " == %s", error_name(result->ret));
	fputs(");\n", file);
}

static void print_call(FILE *file, const struct step_result *result,
		       const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void print_call(FILE *file, const struct step_result *result,
		       const char *format, ...)
{
	va_list args;

	open_check(file, result);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	close_check(file, result);
}

static void check_data(FILE *file, const struct step_result *result)
{
	if (result->done && !result->ret)
		fprintf(file, "\tCHECK(data == DATA(%" PRIu64 "));\n",
			result->value);
}

static void check_id(FILE *file, const struct step_result *result)
{
	if (result->done && result->ret >= 0 && !result->any_id)
		fprintf(file, "\tCHECK(id %s %" PRIu32 "u);\n",
			result->wrong_id ? "!=" : "==", result->id);
}

static const char *const getters[] = { "NULL", "getter_yes", "getter_no",
				       "getter_waits" };

/* Calls of the default space. False: it is another call. */
static bool print_default_step(FILE *file, const struct step *step,
			       const struct step_result *result)
{
	const char *set = set_name(step->set);
	ioasid_t id = step->id;

	if (!result->by_default)
		return false;
	switch (step->op) {
	case STEP_ALLOC:
		print_call(file, result,
			   "sequence_default_alloc(%s, %" PRIu32 "u, %" PRIu32
			   "u, DATA(%" PRIu32 "u), &id, &refused)",
			   set, id, step->max, step->number);
		check_id(file, result);
		return true;
	case STEP_FREE:
		fprintf(file, "\tioasid_free(%" PRIu32 "u);\n", id);
		return true;
	case STEP_FIND:
		if (step->getter == GETTER_WAITS)
			fprintf(file,
				"\tgetter_id = %" PRIu32
				"u, getter_space = space;\n",
				id);
		print_call(file, result,
			   "sequence_default_find(%s, %" PRIu32 "u, %s, &data)",
			   set, id, getters[step->getter]);
		check_data(file, result);
		return true;
	case STEP_GET:
		print_call(file, result, "ioasid_get(%" PRIu32 "u)", id);
		return true;
	case STEP_PUT:
		fprintf(file, "\tCHECK(ioasid_put(%" PRIu32 "u) == %s);\n", id,
			result->ret == 1 ? "true" : "false");
		return true;
	case STEP_SET_DATA:
		print_call(file, result,
			   "ioasid_set_data(%" PRIu32 "u, DATA(%" PRIu32 "u))",
			   id, step->number);
		return true;
	case STEP_REGISTER_ALLOCATOR:
	case STEP_UNREGISTER_ALLOCATOR:
		print_call(file, result,
			   "ioasid_%s_allocator(&actors.allocator[%" PRIu32
			   "].ops)",
			   step->op == STEP_REGISTER_ALLOCATOR ? "register" :
								 "unregister",
			   step->slot);
		return true;
	default:
		return false;
	}
}

/* Calls of a space. False: it is another call. */
static bool print_space_step(FILE *file, const struct step *step,
			     const struct step_result *result)
{
	const char *set = set_name(step->set);
	ioasid_t id = step->id;

	switch (step->op) {
	case STEP_ALLOC:
		if (step->answers)
			fprintf(file,
				"\tactors.answer = %" PRIu32
				"u, actors.refusals = %" PRIu32 ";\n",
				step->answer, step->refusals);
		print_call(file, result,
			   "ioasid_space_alloc(space, %s, %" PRIu32
			   "u, %" PRIu32 "u, DATA(%" PRIu32 "u), &id)",
			   set, id, step->max, step->number);
		check_id(file, result);
		return true;
	case STEP_ALLOC_CYCLIC:
	case STEP_RESERVE_ID:
		if (step->answers)
			fprintf(file,
				"\tactors.answer = %" PRIu32
				"u, actors.refusals = %" PRIu32 ";\n",
				step->answer, step->refusals);
		if (step->op == STEP_RESERVE_ID)
			print_call(file, result,
				   "ioasid_space_reserve_id(space, %s, %" PRIu32
				   "u, %" PRIu32 "u, &id)",
				   set, id, step->max);
		else
			print_call(file, result,
				   "ioasid_space_alloc_cyclic(space, %s, "
				   "%" PRIu32 "u, %" PRIu32 "u, DATA(%" PRIu32
				   "u), &actors.cursor, &id)",
				   set, id, step->max, step->number);
		check_id(file, result);
		return true;
	case STEP_PUBLISH_ID:
		print_call(file, result,
			   "ioasid_space_publish_id(space, %" PRIu32
			   "u, DATA(%" PRIu32 "u))",
			   id, step->number);
		return true;
	case STEP_RELEASE_ID:
		print_call(file, result,
			   "ioasid_space_release_id(space, %" PRIu32 "u)", id);
		return true;
	case STEP_NEXT:
		print_call(file, result,
			   "ioasid_space_next(space, %s, %" PRIu32 "u, %" PRIu32
			   "u, &id, &data)",
			   set, id, step->max);
		check_id(file, result);
		check_data(file, result);
		return true;
	case STEP_REMOVE:
		print_call(file, result,
			   "ioasid_space_remove(space, %s, %" PRIu32
			   "u, &data)",
			   set, id);
		check_data(file, result);
		return true;
	case STEP_FREE:
		print_call(file, result,
			   "ioasid_space_free(space, %" PRIu32 "u)", id);
		return true;
	case STEP_FREE_DEFERRED:
		print_call(file, result,
			   "sequence_free_deferred(space, %" PRIu32
			   "u, &deferred)",
			   id);
		return true;
	case STEP_FIND:
		if (step->getter == GETTER_WAITS)
			fprintf(file,
				"\tgetter_id = %" PRIu32
				"u, getter_space = space;\n",
				id);
		print_call(file, result,
			   "ioasid_space_find(space, %s, %" PRIu32
			   "u, %s, &data)",
			   set, id, getters[step->getter]);
		check_data(file, result);
		return true;
	case STEP_FIND_RCU:
		fputs("\tioasid_rcu_read_lock(rcu);\n", file);
		print_call(file, result,
			   "ioasid_space_find_rcu(space, %s, %" PRIu32
			   "u, &data)",
			   set, id);
		fputs("\tioasid_rcu_read_unlock(rcu);\n", file);
		check_data(file, result);
		return true;
	case STEP_GET:
		print_call(file, result,
			   "ioasid_space_get(space, %s, %" PRIu32 "u)", set,
			   id);
		return true;
	case STEP_PUT:
		print_call(file, result,
			   "ioasid_space_put(space, %" PRIu32 "u)", id);
		return true;
	case STEP_EXCHANGE_DATA:
		print_call(file, result,
			   "ioasid_space_exchange_data(space, %" PRIu32
			   "u, DATA(%" PRIu32 "u), %s)",
			   id, step->number, step->max ? "&data" : "NULL");
		if (step->max)
			check_data(file, result);
		return true;
	case STEP_SET_DATA:
		print_call(file, result,
			   "ioasid_space_set_data(space, %" PRIu32
			   "u, DATA(%" PRIu32 "u))",
			   id, step->number);
		return true;
	case STEP_DESTROY:
		print_call(file, result, "ioasid_space_destroy(space)");
		return true;
	default:
		return false;
	}
}

/* Calls of sets and capacity. */
static bool print_set_step(FILE *file, const struct step *step,
			   const struct step_result *result)
{
	const char *set = set_name(step->set);

	switch (step->op) {
	case STEP_SET_BIND:
		print_call(file, result,
			   "sequence_bind(space, %s, %" PRIu32 ", %" PRIu32
			   ", %" PRIu32 "u, %" PRIu32 "u)",
			   set, step->name, step->token, step->quota,
			   step->reserved);
		return true;
	case STEP_SET_CREATE:
		print_call(file, result,
			   "sequence_create(space, &actors.made[%" PRIu32
			   "], %" PRIu32 ", %" PRIu32 ", %" PRIu32 "u, %" PRIu32
			   "u)",
			   step->slot, step->name, step->token, step->quota,
			   step->reserved);
		return true;
	case STEP_SET_DESTROY:
		print_call(file, result, "ioasid_set_destroy(space, %s)", set);
		if (step->set >= SET_MADE && result->done && !result->ret)
			fprintf(file, "\t%s = NULL;\n", set);
		return true;
	case STEP_SET_LIMIT:
		print_call(file, result,
			   "ioasid_set_limit(space, %s, %" PRIu32 "u, %" PRIu32
			   "u)",
			   set, step->quota, step->reserved);
		return true;
	case STEP_SET_FREE_ALL:
		print_call(file, result,
			   "ioasid_set_free_all(space, %s, &count)", set);
		if (result->done && !result->ret)
			fprintf(file, "\tCHECK(count == %" PRIu64 "u);\n",
				result->value);
		return true;
	case STEP_SET_BY_TOKEN:
		print_call(file, result,
			   "ioasid_set_by_token(space, DATA(%" PRIu32
			   "), &found)",
			   step->token);
		return true;
	case STEP_SET_STATS:
		print_call(file, result, "ioasid_set_stats(space, %s, &info)",
			   set);
		if (result->done && !result->ret)
			fprintf(file, "\tCHECK(info.count == %" PRIu64 "u);\n",
				result->value);
		return true;
	case STEP_SET_FOR_EACH:
		fprintf(file,
			"\twalk = (struct sequence_walk){ 0, %" PRIu32
			"u, 0, NULL };\n",
			step->number);
		print_call(file, result,
			   "ioasid_set_for_each(space, sequence_visit_set, "
			   "&walk)");
		if (result->done)
			fprintf(file, "\tCHECK(walk.count == %" PRIu64 "u);\n",
				result->value);
		return true;
	case STEP_SET_OF:
		print_call(file, result,
			   "ioasid_set_of(space, %" PRIu32 "u, &found)",
			   step->id);
		return true;
	case STEP_CAPACITY:
	case STEP_RESERVE:
	case STEP_UNRESERVE:
		print_call(file, result, "ioasid_space_%s(space, %" PRIu32 "u)",
			   step->op == STEP_CAPACITY ? "set_capacity" :
			   step->op == STEP_RESERVE  ? "reserve" :
						       "unreserve",
			   step->number);
		return true;
	default:
		return false;
	}
}

/* Calls of SPIDs and handles. */
static bool print_name_step(FILE *file, const struct step *step,
			    const struct step_result *result)
{
	const char *set = set_name(step->set);

	switch (step->op) {
	case STEP_SPID_ATTACH:
		print_call(file, result,
			   "ioasid_spid_attach(space, %" PRIu32 "u, %" PRIu32
			   "u)",
			   step->id, step->spid);
		return true;
	case STEP_SPID_DETACH:
		print_call(file, result,
			   "ioasid_spid_detach(space, %" PRIu32 "u)", step->id);
		return true;
	case STEP_SPID_OF:
		print_call(file, result,
			   "ioasid_spid_of(space, %" PRIu32 "u, &id)",
			   step->id);
		check_id(file, result);
		return true;
	case STEP_SPID_FIND:
		print_call(file, result,
			   "ioasid_spid_find(space, %s, %" PRIu32
			   "u, %s, &id, &data)",
			   set, step->spid, getters[step->getter]);
		if (result->done)
			fprintf(file, "\tCHECK(id == %" PRIu32 "u);\n",
				result->id);
		check_data(file, result);
		return true;
	case STEP_HANDLE:
		print_call(file, result,
			   "ioasid_space_handle(space, %s, %" PRIu32
			   "u, &actors.handle[%" PRIu32 "])",
			   set, step->id, step->slot);
		if (result->value)
			fprintf(file,
				"\tCHECK(actors.handle[%" PRIu32
				"] == UINT64_C(%" PRIu64 "));\n",
				step->slot, result->value);
		return true;
	case STEP_FIND_HANDLE:
		print_call(file, result,
			   "ioasid_space_find_handle(space, %s, actors.handle"
			   "[%" PRIu32 "], %s, &data)",
			   set, step->slot, getters[step->getter]);
		check_data(file, result);
		return true;
	case STEP_FIND_HANDLE_RCU:
		fputs("\tioasid_rcu_read_lock(rcu);\n", file);
		print_call(file, result,
			   "ioasid_space_find_handle_rcu(space, %s, "
			   "actors.handle[%" PRIu32 "], &data)",
			   set, step->slot);
		fputs("\tioasid_rcu_read_unlock(rcu);\n", file);
		check_data(file, result);
		return true;
	case STEP_GET_HANDLE:
		print_call(file, result,
			   "ioasid_space_get_handle(space, %s, actors.handle"
			   "[%" PRIu32 "])",
			   set, step->slot);
		return true;
	case STEP_FREE_HANDLE:
		print_call(file, result,
			   "ioasid_space_free_handle(space, actors.handle"
			   "[%" PRIu32 "])",
			   step->slot);
		return true;
	default:
		return false;
	}
}

/* Calls of allocators, notifiers and snapshots. */
static bool print_actor_step(FILE *file, const struct step *step,
			     const struct step_result *result)
{
	switch (step->op) {
	case STEP_REGISTER_ALLOCATOR:
		print_call(file, result,
			   "ioasid_space_register_allocator(space, &actors"
			   ".allocator[%" PRIu32 "].ops)",
			   step->slot);
		return true;
	case STEP_UNREGISTER_ALLOCATOR:
		print_call(file, result,
			   "ioasid_space_unregister_allocator(space, &actors"
			   ".allocator[%" PRIu32
			   "].ops, (enum ioasid_unregister)%" PRIu32 ")",
			   step->slot, step->number);
		return true;
	case STEP_REGISTER_NOTIFIER:
		print_call(file, result,
			   "sequence_register(&actors, %s, %" PRIu32
			   ", %" PRIu32 ")",
			   set_name(step->set), step->slot, step->number);
		return true;
	case STEP_UNREGISTER_NOTIFIER:
		print_call(file, result,
			   "ioasid_space_unregister_notifier(space, &actors"
			   ".notifier[%" PRIu32 "].notifier)",
			   step->slot);
		return true;
	case STEP_ARM:
		fprintf(file,
			"\tsequence_arm(&actors, %" PRIu32 ", %" PRIu32
			", %" PRIu32 ");\n",
			step->slot, step->number, step->max);
		return true;
	case STEP_NOTIFY:
		print_call(file, result,
			   "ioasid_space_notify(space, %" PRIu32
			   "u, (enum ioasid_event)%" PRIu32 ", DATA(%" PRIu32
			   "u))",
			   step->id, step->number, step->max);
		return true;
	case STEP_SNAPSHOT:
		fputs("\tsequence_migrate(space, &config, &actors, sequence_restore);\n",
		      file);
		return true;
	case STEP_DUMP:
		fputs("\tcount = 0;\n"
		      "\tioasid_space_dump(space, sequence_count_line, &count);"
		      "\n",
		      file);
		return true;
	default:
		return false;
	}
}

/* Many calls in one. */
static bool print_many(FILE *file, const struct step *step,
		       const struct step_result *result)
{
	const char *set = set_name(step->set);

	switch (step->op) {
	case STEP_GET_MANY:
	case STEP_PUT_MANY:
		fprintf(file,
			"\tcount = sequence_%s(space, %" PRIu32 "u, %" PRIu32
			"u, &ret);\n",
			step->op == STEP_GET_MANY ? "get" : "put", step->id,
			step->number);
		if (result->done)
			fprintf(file,
				"\tCHECK(count == %" PRIu64
				"u && ret == %s);\n",
				result->value, error_name(result->ret));
		return true;
	case STEP_CYCLE:
		fprintf(file,
			"\tcount = sequence_cycle(space, %s, %" PRIu32
			"u, %" PRIu32 "u);\n",
			set, step->id, step->number);
		if (result->done)
			fprintf(file, "\tCHECK(count == %" PRIu64 "u);\n",
				result->value);
		return true;
	case STEP_FREE_ALL:
		print_call(file, result,
			   "ioasid_space_free_all(space, &count)");
		if (result->done)
			fprintf(file, "\tCHECK(count == %" PRIu64 "u);\n",
				result->value);
		return true;
	case STEP_FOR_EACH:
	case STEP_FREE_IN_WALK:
		fprintf(file,
			"\twalk = (struct sequence_walk){ 0, %" PRIu32
			"u, 0, %s };\n",
			step->number,
			step->op == STEP_FREE_IN_WALK ? "space" : "NULL");
		print_call(file, result,
			   "ioasid_space_for_each(space, %s, %" PRIu32
			   "u, %" PRIu32 "u, sequence_visit, &walk)",
			   set, step->id, step->max);
		if (result->done)
			fprintf(file,
				"\tCHECK(walk.count == %" PRIu32
				"u && walk.sum == UINT64_C(%" PRIu64 "));\n",
				result->id, result->value);
		return true;
	default:
		return false;
	}
}

static void print_stats(FILE *file, const struct ioasid_stats *stats)
{
	fprintf(file,
		"\tioasid_space_stats(space, &stats);\n"
		"\tCHECK(stats.live == %" PRIu32
		"u && stats.pending == %" PRIu32 "u && stats.sets == %" PRIu32
		"u);\n"
		"\tCHECK(stats.allocs == %" PRIu64
		"u && stats.frees == %" PRIu64 "u);\n"
		"\tCHECK(stats.alloc_failed == %" PRIu64
		"u && stats.free_unknown == %" PRIu64 "u);\n"
		"\tCHECK(stats.committed == %" PRIu32
		"u && stats.reserved == %" PRIu32 "u);\n",
		stats->live, stats->pending, stats->sets, stats->allocs,
		stats->frees, stats->alloc_failed, stats->free_unknown,
		stats->committed, stats->reserved);
}

static void print_rcu_step(FILE *file, const struct step *step,
			   const struct step_result *result, uint32_t *depth)
{
	switch (step->op) {
	case STEP_READ_LOCK:
		fputs("\tioasid_rcu_read_lock(rcu);\n", file);
		if (!(*depth)++ && harness.config.flavour != IOASID_RCU_QSBR)
			fputs("\tsequence_enter(&deferred);\n", file);
		break;
	case STEP_READ_UNLOCK:
		fputs("\tioasid_rcu_read_unlock(rcu);\n", file);
		if (!--*depth && harness.config.flavour != IOASID_RCU_QSBR)
			fputs("\tsequence_leave(&deferred);\n", file);
		break;
	case STEP_SYNCHRONIZE:
		print_call(file, result, "ioasid_rcu_synchronize(rcu)");
		break;
	case STEP_BARRIER:
		print_call(file, result, "ioasid_rcu_barrier(rcu)");
		break;
	case STEP_START_POLL:
		fputs("\tcookie = ioasid_rcu_start_poll(rcu);\n", file);
		break;
	case STEP_POLL:
		print_call(file, result, "ioasid_rcu_poll(rcu, cookie)");
		break;
	case STEP_DEFER:
		print_call(file, result, "sequence_defer(rcu, &deferred)");
		break;
	case STEP_RETIRE:
		fputs("\tsequence_retire(rcu, &deferred, "
		      "ioasid_rcu_retire);\n",
		      file);
		break;
	case STEP_DOMAIN_STATS:
		fputs("\tioasid_rcu_stats(rcu, &domain);\n"
		      "\tCHECK(domain.pending == ioasid_rcu_pending(rcu));\n",
		      file);
		print_call(file, result, "ioasid_rcu_check_reader(rcu)");
		break;
	case STEP_VALIDATE:
		fputs("\tCHECK(ioasid_space_validate(space, NULL));\n", file);
		break;
	case STEP_WRONG_CALLS:
		print_call(file, result, "sequence_wrong_calls(space)");
		break;
	case STEP_DAMAGE:
		fprintf(file,
			"\tCHECK(sequence_damage(space, %" PRIu32
			"u, (enum sequence_damage)%" PRIu32
			", ioasid_space_validate));\n",
			step->id, step->number);
		break;
	case STEP_WRONG_CONFIG:
		print_call(file, result, "sequence_wrong_config(%" PRIu32 ")",
			   step->number);
		break;
	case STEP_QUIESCENT:
		fputs("\tioasid_rcu_quiescent(rcu);\n", file);
		break;
	case STEP_OFFLINE:
		fputs("\tioasid_rcu_thread_offline(rcu);\n"
		      "\tCHECK(ioasid_rcu_poll(rcu, "
		      "ioasid_rcu_start_poll(rcu)));\n"
		      "\tioasid_rcu_thread_online(rcu);\n",
		      file);
		break;
	case STEP_TRIM:
		fputs("\tioasid_space_trim(space);\n", file);
		break;
	case STEP_ANONYMOUS:
		fprintf(file, "\tsequence_anonymous(space, &%s);\n",
			harness.config.own ? "memory" : "rcu_memory");
		break;
	default:
		print_stats(file, &result->stats);
		break;
	}
}

static bool ends_section(enum step_op op)
{
	return op == STEP_SYNCHRONIZE || op == STEP_BARRIER ||
	       op == STEP_SET_DATA || op == STEP_QUIESCENT ||
	       op == STEP_OFFLINE || op == STEP_ANONYMOUS ||
	       op == STEP_SNAPSHOT;
}

/* What callbacks and notifiers were told from the start, if that is new. */
static void print_calls(FILE *file, const struct step_result *result,
			uint32_t *calls)
{
	if (!result->told)
		return;
	/* How it ought to be is not known, but that it is not so. */
	if (result->calls_wrong)
		fprintf(file,
			"\tCHECK(actors.calls != %" PRIu32
			" || actors.sum != UINT64_C(%" PRIu64 "));\n",
			result->calls, result->sum);
	else if (result->calls != *calls)
		fprintf(file,
			"\tCHECK(actors.calls == %" PRIu32
			" && actors.sum == UINT64_C(%" PRIu64 "));\n",
			result->calls, result->sum);
	*calls = result->calls;
}

static void print_step(FILE *file, const struct step *step,
		       const struct step_result *result, uint32_t *depth)
{
	bool quiescent = harness.config.flavour == IOASID_RCU_QSBR &&
			 ends_section(step->op);
	/* There it is the other space's. */
	bool fails = step->fail_at && step->op != STEP_SNAPSHOT;

	if (quiescent)
		fputs("\tsequence_leave(&deferred);\n", file);
	if (fails)
		fprintf(file, "\tsequence_fail(&memory, %" PRIu32 "u);\n",
			step->fail_at);
	if (!print_default_step(file, step, result) &&
	    !print_space_step(file, step, result) &&
	    !print_set_step(file, step, result) &&
	    !print_name_step(file, step, result) &&
	    !print_actor_step(file, step, result) &&
	    !print_many(file, step, result))
		print_rcu_step(file, step, result, depth);
	if (fails)
		fputs("\tsequence_fail(&memory, 0);\n", file);
	if (quiescent)
		fputs("\tsequence_enter(&deferred);\n", file);
}

static void print_config(FILE *file, const struct side *side)
{
	static const char *const stores[] = {
		[IOASID_STORE_RADIX] = "RADIX",
		[IOASID_STORE_BITMAP] = "BITMAP",
		[IOASID_STORE_HASH] = "HASH",
	};
	const struct harness_config *config = &harness.config;

	fprintf(file,
		"\tstruct ioasid_space_config config = {\n"
		"\t\t.min = %" PRIu32 "u,\n"
		"\t\t.max = %" PRIu32 "u,\n"
		"\t\t.store = IOASID_STORE_%s,\n"
		"\t\t.hash_seed = UINT64_C(%" PRIu64 "),\n",
		config->min, config->max, stores[side->store],
		config->hash_seed);
	if (config->reuse == IOASID_REUSE_CYCLIC)
		fputs("\t\t.reuse = IOASID_REUSE_CYCLIC,\n", file);
	if (config->quarantine)
		fputs("\t\t.quarantine = true,\n", file);
	if (config->capacity)
		fprintf(file, "\t\t.capacity = %" PRIu32 ",\n",
			config->capacity);
	if (config->memory != MEMORY_SYSTEM)
		fprintf(file, "\t\t.memory = sequence_hooks(&memory, %s),\n",
			config->memory == MEMORY_RANGES ? "true" : "false");
	if (config->lock)
		fputs("\t\t.lock = sequence_lock_ops(&lock),\n", file);
	if (config->own && config->flavour == IOASID_RCU_QSBR)
		fputs("\t\t.flavour = IOASID_RCU_QSBR,\n", file);
	if (config->own && config->flavour == IOASID_RCU_NONE)
		fputs("\t\t.flavour = IOASID_RCU_NONE,\n", file);
	fputs("\t};\n", file);
}

static void print_rcu_config(FILE *file, const struct side *side)
{
	static const char *const flavours[] = {
		[IOASID_RCU_EPOCH] = "EPOCH",
		[IOASID_RCU_QSBR] = "QSBR",
		[IOASID_RCU_NONE] = "NONE",
		[IOASID_RCU_CUSTOM] = "CUSTOM",
	};
	const struct harness_config *config = &harness.config;

	(void)side;
	if (config->own)
		return;
	fprintf(file,
		"\tstruct ioasid_rcu_config rcu_config = {\n"
		"\t\t.flavour = IOASID_RCU_%s,\n"
		"\t\t.memory = sequence_hooks(&rcu_memory, false),\n",
		flavours[config->flavour]);
	if (config->flavour == IOASID_RCU_CUSTOM)
		fputs("\t\t.ops = &sequence_rcu_ops,\n"
		      "\t\t.ops_context = &flavour,\n",
		      file);
	if (config->no_membarrier)
		fputs("\t\t.no_membarrier = true,\n", file);
	if (config->pending_limit)
		fprintf(file, "\t\t.pending_limit = %zu,\n",
			config->pending_limit);
	fputs("\t};\n", file);
}

/* Until the space is there. */
static void print_create(FILE *file, const struct side *side)
{
	const struct harness_config *config = &harness.config;
	const char *create = side->is_default ? "sequence_default_create" :
						"ioasid_space_create";

	if (config->custom && side->store == IOASID_STORE_HASH)
		fputs("\n\tconfig.store = IOASID_STORE_CUSTOM;\n"
		      "\tconfig.store_ops = &ioasid_hash_ops;\n",
		      file);
	fputs("\n#ifdef SEQUENCE_FAULT\n"
	      "\tfault_sequence(SEQUENCE_FAULT, &config, ",
	      file);
	fputs(config->own ? "NULL);\n" : "&rcu_config);\n", file);
	fputs("#endif\n", file);
	if (!config->own)
		fputs("\tCHECK(ioasid_rcu_create(&rcu_config, &rcu) == 0);\n"
		      "\tCHECK(ioasid_rcu_thread_register(rcu) == 0);\n"
		      "\tconfig.rcu = rcu;\n",
		      file);
	if (config->create_fail)
		fprintf(file,
			"\tsequence_fail(&memory, %" PRIu32 "u);\n"
			"\tret = %s(&config, &space);\n"
			"\tif (memory.failed)\n"
			"\t\tCHECK(ret == -ENOMEM && !memory.bytes);\n"
			"\tsequence_fail(&memory, 0);\n"
			"\tif (!space)\n\t",
			config->create_fail, create);
	fprintf(file, "\tCHECK(%s(&config, &space) == %s);\n", create,
		error_name(side->create_ret));
	if (side->create_ret)
		return;
	if (config->own)
		fputs("\trcu = ioasid_space_rcu(space);\n"
		      "\tconfig.rcu = rcu;\n"
		      "\tCHECK(ioasid_rcu_thread_register(rcu) == 0);\n",
		      file);
}

static uint32_t set_number(const struct side *side,
			   const struct ioasid_set *set)
{
	if (!set)
		return SET_NONE;
	for (uint32_t i = 0; i < SEQUENCE_MADE; i++)
		if (side->actors.made[i] == set)
			return SET_MADE + i;
	return (uint32_t)(set - side->set) + 1;
}

static void print_set(FILE *file, const struct side *side,
		      const struct model_set *of)
{
	fprintf(file,
		"\tCHECK(ioasid_set_stats(space, %s, &info) == 0);\n"
		"\tCHECK(info.quota == %" PRIu32
		"u && info.reserved == %" PRIu32 "u);\n"
		"\tCHECK(info.count == %" PRIu32 "u && info.spids == %" PRIu32
		"u);\n",
		set_name(set_number(side, of->set)), of->stats.quota,
		of->stats.reserved, of->stats.count, of->stats.spids);
}

/* What the model says is there, where the store said otherwise. */
static void print_state(FILE *file, const struct side *side)
{
	const struct model *model = &side->model;
	struct sequence_walk walk = { 0, 0, 0, NULL };
	struct ioasid_stats stats;
	uint32_t held = 0;

	model_stats(model, &stats);
	print_stats(file, &stats);
	for (size_t i = 0; i < model->count; i++)
		held += model->entry[i].held;
	fprintf(file,
		"\tCHECK(stats.capacity == %" PRIu32
		"u && stats.unpublished == %" PRIu32 "u);\n"
		"\tCHECK(stats.allocators == %" PRIu32
		"u && stats.notifiers == %" PRIu32 "u);\n"
		"\tCHECK(stats.quarantined <= %" PRIu32 "u);\n",
		stats.capacity, stats.unpublished, stats.allocators,
		stats.notifiers, stats.quarantined);
	if (held)
		fprintf(file, "\tCHECK(stats.quarantined >= %" PRIu32 "u);\n",
			held);
	for (size_t i = 0; i < model->sets; i++)
		print_set(file, side, &model->set[i]);
	for (size_t i = 0; i < model->count; i++) {
		const struct model_entry *entry = &model->entry[i];
		struct step_result result = {
			.done = true,
			.ret = entry->state == MODEL_LIVE ? 0 : -ENOENT,
			.value = (uintptr_t)entry->data,
		};

		print_call(file, &result,
			   "ioasid_space_find(space, %s, %" PRIu32
			   "u, NULL, &data)",
			   set_name(set_number(side, entry->set)), entry->id);
		check_data(file, &result);
	}
	model_for_each(model, NULL, 0, UINT32_MAX, sequence_visit, &walk);
	print_many(file,
		   &(struct step){ .op = STEP_FOR_EACH, .max = UINT32_MAX },
		   &(struct step_result){
			   .done = true, .id = walk.count, .value = walk.sum });
}

static void print_steps(FILE *file, const struct side *side)
{
	uint32_t depth = 0, calls = 0;

	if (!side->create_ret && harness.config.flavour == IOASID_RCU_QSBR)
		fputs("\tsequence_enter(&deferred);\n", file);
	for (size_t i = 0; i < side->count; i++) {
		const struct log_entry *entry = &side->log[i];

		print_step(file, &entry->step, &entry->result, &depth);
		print_calls(file, &entry->result, &calls);
	}
	if (harness.model_in_step) {
		fputs("\tCHECK(ioasid_space_validate(space, NULL));\n", file);
		print_state(file, side);
	}
	for (; depth; depth--)
		fputs("\tioasid_rcu_read_unlock(rcu);\n", file);
}

static void print_destroy(FILE *file, const struct side *side)
{
	if (!side->create_ret)
		fprintf(file, "\tCHECK(%s == 0);\n",
			side->is_default ? "sequence_default_destroy()" :
					   "ioasid_space_destroy(space)");
	if (!harness.config.own)
		fputs("\tCHECK(ioasid_rcu_destroy(rcu) == 0);\n", file);
}

/* Is the variable of that name in the text? */
static bool mentions(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = text; (at = strstr(at, name)); at += length) {
		char before = at > text ? at[-1] : ' ', after = at[length];

		if (!isalnum(before) && before != '_' && before != '.' &&
		    before != '"' && !isalnum(after) && after != '_')
			return true;
	}
	return false;
}

struct variable {
	const char *name, *declaration;
};

static void print_variables(FILE *file, const char *text,
			    const struct variable *variables)
{
	for (; variables->name; variables++)
		if (mentions(text, variables->name))
			fprintf(file, "%s;\n", variables->declaration);
}

static void print_text(FILE *file, const struct side *side)
{
	print_config(file, side);
	print_rcu_config(file, side);
	print_create(file, side);
	print_steps(file, side);
	print_destroy(file, side);
}

/* As a text of its own. */
static char *text_of(void (*print)(FILE *file, const struct side *side),
		     const struct side *side)
{
	size_t size;
	char *text = NULL;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		abort();
	print(file, side);
	if (fclose(file))
		abort();
	return text;
}

static void print_side(FILE *file, const struct side *side)
{
	static const struct variable locals[] = {
		{ "memory", "\tstatic struct sequence_memory memory" },
		{ "rcu_memory", "\tstatic struct sequence_memory rcu_memory" },
		{ "lock", "\tstatic struct sequence_lock lock" },
		{ "flavour", "\tstatic struct sequence_rcu flavour" },
		{ "deferred", "\tstatic struct sequence_deferred deferred" },
		{ "actors", "\tstatic struct sequence_actors actors" },
		{ "rcu", "\tstruct ioasid_rcu *rcu = NULL" },
		{ "space", "\tstruct ioasid_space *space = NULL" },
		{ "walk", "\tstruct sequence_walk walk" },
		{ "stats", "\tstruct ioasid_stats stats" },
		{ "domain", "\tstruct ioasid_domain_stats domain" },
		{ "info", "\tstruct ioasid_set_info info" },
		{ "found", "\tstruct ioasid_set *found = NULL" },
		{ "cookie", "\tuint64_t cookie = 0" },
		{ "count", "\tuint32_t count = 0" },
		{ "data", "\tvoid *data = NULL" },
		{ "id", "\tioasid_t id = 0" },
		{ "refused", "\tbool refused = false" },
		{ "ret", "\tint ret = 0" },
		{ NULL, NULL },
	};
	char *steps = text_of(print_steps, side);
	char *all = text_of(print_text, side);
	bool strange = mentions(steps, "foreign");

	fuzz_print_head(file, "", "", "");
	fputs("#include \"fuzz/api/sequence.h\"\n\n"
	      "#ifdef SEQUENCE_FAULT\n"
	      "#include \"fuzz/api/faults.h\"\n"
	      "#endif\n\n",
	      file);
	if (mentions(steps, "set"))
		fprintf(file, "static struct ioasid_set set[%" PRIu32 "];\n\n",
			harness.config.sets);
	if (strange)
		fputs("static struct ioasid_set foreign;\n\n", file);
	fputs("int main(void)\n{\n", file);
	print_variables(file, all, locals);
	if (strange)
		fputs("\tstruct ioasid_space *other;\n", file);
	print_config(file, side);
	print_rcu_config(file, side);
	print_create(file, side);
	if (strange)
		fputs("\tCHECK(ioasid_space_create(NULL, &other) == 0);\n"
		      "\tCHECK(ioasid_space_alloc(other, &foreign, 0, 0, "
		      "NULL, &(ioasid_t){ 0 }) == 0);\n",
		      file);
	if (mentions(steps, "actors"))
		fputs("\tsequence_set_up(&actors, space);\n", file);
	fputc('\n', file);
	fputs(steps, file);
	if (harness.wrong)
		fprintf(file, "\t/* %s */\n", harness.wrong);
	if (mentions(steps, "deferred"))
		fputs("\tsequence_leave(&deferred);\n", file);
	print_destroy(file, side);
	if (strange)
		fputs("\tCHECK(ioasid_space_destroy(other) == 0);\n", file);
	if (mentions(steps, "deferred"))
		fputs("\tCHECK(deferred.called == deferred.added);\n", file);
	if (mentions(all, "memory"))
		fputs("\tCHECK(!memory.bytes);\n", file);
	if (mentions(all, "rcu_memory"))
		fputs("\tCHECK(!rcu_memory.bytes);\n", file);
	fputs("\treturn 0;\n}\n", file);
	free(steps);
	free(all);
}

void print_log(FILE *file, const char *store)
{
	for (size_t i = 0; i < SIDES; i++)
		if (!store || !strcmp(store, harness.side[i].name))
			print_side(file, &harness.side[i]);
}
