// SPDX-License-Identifier: MIT
// Runs conformance cases over space<T>; bindings/conformance/README.md says what
// their lines mean.
//	conformance_runner FILE...
// What the binding has no call for is done by C on space::native(): put, publish
// and release without an object in hand.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ioasid/ioasid.hpp>

namespace {

// What IDs are given is a number; no such object is ever looked at.
struct number;
using space = ioasid::space<number>;
using set = ioasid::set<number>;
using section = ioasid::read_section<number>;
using errc = ioasid::errc;

number *pointer(std::uint64_t value)
{
	return reinterpret_cast<number *>(static_cast<std::uintptr_t>(value));
}

std::uint64_t number_of(const void *value)
{
	return reinterpret_cast<std::uintptr_t>(value);
}

// Why a line or a file is wrong.
struct fault : std::runtime_error {
	using std::runtime_error::runtime_error;
};

bool is_name(const std::string &text)
{
	const auto letter = [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	};

	if (text.empty() || !letter(text[0]))
		return false;
	for (char c : text) {
		if (!letter(c) && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

std::uint64_t parse(const std::string &text, std::uint64_t max)
{
	std::uint64_t value = 0;

	if (text.empty() || (text[0] == '0' && text.size() > 1))
		throw fault("not a number: " + text);
	for (char c : text) {
		const auto digit = static_cast<std::uint64_t>(c - '0');

		if (c < '0' || c > '9' || value > (max - digit) / 10)
			throw fault("not a number here: " + text);
		value = value * 10 + digit;
	}
	return value;
}

// The words of a line: what is called, and what must come of it.
struct line {
	std::size_t at;
	std::vector<std::string> words;
};

std::pair<std::string, std::string> keyed(const std::string &word)
{
	const std::size_t equals = word.find('=');

	if (equals == std::string::npos || equals == 0)
		throw fault("not KEY=VALUE: " + word);
	return { word.substr(0, equals), word.substr(equals + 1) };
}

const std::vector<std::pair<std::string, ioasid::store>> stores = {
	{ "bitmap", ioasid::store::bitmap },
	{ "radix", ioasid::store::radix },
	{ "hash", ioasid::store::hash },
};

struct test_case {
	std::size_t at;
	std::set<std::string> stores;
	std::vector<line> lines;
};

struct file_fault : fault {
	file_fault(std::size_t where, const std::string &why)
		: fault(why), at(where)
	{
	}

	std::size_t at;
};

std::vector<std::string> split(const std::string &text, std::size_t at)
{
	std::vector<std::string> words;
	std::size_t begin = 0;

	for (;;) {
		const std::size_t end = text.find(' ', begin);
		const std::string word = text.substr(
			begin, end == std::string::npos ? end : end - begin);

		if (word.empty())
			throw file_fault(at,
					 "not words with one space between");
		words.push_back(word);
		if (end == std::string::npos)
			return words;
		begin = end + 1;
	}
}

test_case begin_case(const line &head, std::set<std::string> &names)
{
	test_case made{ head.at, {}, {} };

	if (head.words.size() < 2 || head.words.size() > 3 ||
	    !is_name(head.words[1]))
		throw file_fault(head.at, "not case NAME [stores=LIST]");
	if (!names.insert(head.words[1]).second)
		throw file_fault(head.at, "a case of this name before");
	if (head.words.size() == 2) {
		for (const auto &store : stores)
			made.stores.insert(store.first);
		return made;
	}
	std::string list = head.words[2];
	if (list.rfind("stores=", 0) != 0)
		throw file_fault(head.at, "not stores=LIST");
	list = list.substr(7) + ",";
	for (std::size_t comma; (comma = list.find(',')) != std::string::npos;
	     list.erase(0, comma + 1)) {
		const std::string name = list.substr(0, comma);
		bool known = false;

		for (const auto &store : stores)
			known = known || store.first == name;
		if (!known || !made.stores.insert(name).second)
			throw file_fault(head.at, "unknown store, or twice");
	}
	return made;
}

std::vector<test_case> load(const std::string &path)
{
	std::ifstream in(path, std::ios::binary);
	const std::string text{ std::istreambuf_iterator<char>(in),
				std::istreambuf_iterator<char>() };
	std::vector<test_case> cases;
	std::set<std::string> names;
	std::size_t at = 0;
	bool ended = false;

	if (!in)
		throw file_fault(1, "cannot be read");
	if (text.find('\0') != std::string::npos)
		throw file_fault(1, "a zero byte");
	for (std::size_t begin = 0; begin < text.size();) {
		const std::size_t end = text.find('\n', begin);

		at++;
		if (end == std::string::npos)
			throw file_fault(at, "no line end: truncated");
		const std::string content = text.substr(begin, end - begin);

		begin = end + 1;
		if (content.empty() || content[0] == '#')
			continue;
		const line words{ at, split(content, at) };
		if (ended)
			throw file_fault(at, "a line after `end`");
		if (words.words[0] == "case") {
			cases.push_back(begin_case(words, names));
		} else if (words.words[0] == "end") {
			bool right = words.words.size() == 2;

			try {
				right = right &&
					parse(words.words[1], UINT32_MAX) ==
						cases.size();
			} catch (const fault &) {
				right = false;
			}
			if (!right)
				throw file_fault(at, "not the number of cases");
			ended = true;
		} else if (cases.empty()) {
			throw file_fault(at, "a line before any case");
		} else {
			cases.back().lines.push_back(words);
		}
	}
	if (!ended)
		throw file_fault(at ? at : 1, "no `end`: truncated");
	if (cases.empty())
		throw file_fault(at, "no cases");
	return cases;
}

// What a call answered: an error, or what it wrote.
struct answer {
	answer(errc failed = errc()) : error(failed)
	{
	}

	answer(const ioasid::result<void> &done) : error(done.error())
	{
	}

	answer &&with(const std::string &key, const std::string &value) &&
	{
		values.emplace_back(key, value);
		return std::move(*this);
	}

	answer &&with(const std::string &key, std::uint64_t value) &&
	{
		return std::move(*this).with(key, std::to_string(value));
	}

	errc error;
	bool wrapped = false;
	// Only of these, those that one wants to see.
	bool any = false;
	std::vector<std::pair<std::string, std::string>> values;
};

struct space_state {
	explicit space_state(space &&made) : ids(std::move(made))
	{
	}

	space ids;
	std::list<section> sections;
	std::map<ioasid_t, std::vector<ioasid::id_reference>> references;
	std::map<ioasid_t, ioasid::reservation> reservations;

	errc close()
	{
		const errc error = ids.close().error();

		if (error != errc())
			return error;
		// They are gone with the space.
		for (auto &each : references) {
			for (auto &reference : each.second)
				reference.detach();
		}
		for (auto &each : reservations)
			each.second.detach();
		return errc();
	}
};

struct set_state {
	set owner;
	space_state *home;
};

class run {
public:
	explicit run(ioasid::store store) : store_(store)
	{
	}

	run(const run &) = delete;
	run &operator=(const run &) = delete;

	~run()
	{
		for (auto &each : spaces_) {
			each.second->sections.clear();
			static_cast<void>(each.second->close());
		}
	}

	void line_of(const line &text);
	// What is left ends with the case.
	void end();

private:
	// The arguments of a line: each is to be asked for.
	class arguments {
	public:
		arguments(run &owner, const std::vector<std::string> &words,
			  const std::string &takes);

		std::uint32_t u32(const std::string &key,
				  std::uint32_t other = 0) const
		{
			return has(key) ?
				       static_cast<std::uint32_t>(parse(
					       values_.at(key), UINT32_MAX)) :
				       other;
		}

		bool has(const std::string &key) const
		{
			return values_.count(key);
		}

		const std::string &word(const std::string &key) const
		{
			return values_.at(key);
		}

		number *data() const
		{
			return pointer(u32("data"));
		}

		ioasid::id_range range() const
		{
			return { u32("min"), u32("max") };
		}

		set owner() const
		{
			return has("set") ? run_.set_named(word("set")).owner :
					    set();
		}

		// As a set of the space in use, which it may not be.
		set owner_here() const
		{
			return set(run_.used().ids.native(), owner().native());
		}

		ioasid::handle use() const;
		bool accepts() const;
		std::optional<std::string> label() const;

	private:
		run &run_;
		std::map<std::string, std::string> values_;
	};

	using call = answer (run::*)(const arguments &);

	struct operation {
		const char *takes;
		call function;
		bool silent;
		bool spaceless;
	};

	static const std::map<std::string, operation> operations;

	space_state &used()
	{
		if (!used_)
			throw fault("no space in use");
		return *used_;
	}

	set_state &set_named(const std::string &name)
	{
		const auto found = sets_.find(name);

		if (found == sets_.end())
			throw fault("no such set: " + name);
		return found->second;
	}

	template <typename M>
	static void bindable(const M &names, const std::string &name)
	{
		if (!is_name(name) || names.count(name))
			throw fault("a name that cannot be, or is taken: " +
				    name);
	}

	void bind_set(const std::string &name, set owner)
	{
		bindable(sets_, name);
		if (name == "none")
			throw fault("not a name of a set");
		sets_.emplace(name, set_state{ owner, used_ });
	}

	answer named_set(const arguments &args, set found)
	{
		std::string name = found ? "(not named)" : "none";

		for (const auto &each : sets_) {
			if (found && each.second.owner == found)
				name = each.first;
		}
		if (!args.has("as"))
			return answer().with("set", name);
		if (name != "(not named)")
			throw fault("no set, or one with a name");
		bind_set(args.word("as"), found);
		return answer();
	}

	answer hold(const arguments &args,
		    ioasid::result<ioasid::id_reference> got)
	{
		static_cast<void>(args);
		if (!got)
			return got.error();
		const ioasid_t id = got->id();

		used().references[id].push_back(std::move(*got));
		return answer();
	}

	template <typename Id> answer found(const arguments &args, Id id)
	{
		const set owner = args.owner();

		if (!args.accepts()) {
			const auto said = used().ids.acquire(
				owner, id, [](number &) { return false; });

			if (!said)
				return said.error();
			return answer().with("data", number_of(*said));
		}
		const auto data =
			used().ids.with(owner, id, [](const auto &value) {
				return number_of(value.get());
			});

		if (!data)
			return data.error();
		return answer().with("data", *data);
	}

	answer do_alloc(const arguments &args)
	{
		const auto id = used().ids.alloc(args.owner(), args.data(),
						 args.range());

		return id ? answer().with("id", *id) : answer(id.error());
	}

	answer do_alloc_cyclic(const arguments &args)
	{
		const std::string name = args.word("cursor");

		if (!is_name(name))
			throw fault("not a name: " + name);
		ioasid::id_cursor &cursor = cursors_[name];
		const auto found = used().ids.alloc_cyclic(
			args.owner(), cursor, args.data(), args.range());

		if (!found)
			return found.error();
		answer said =
			answer().with("id", found->id).with("next", cursor.next);
		said.wrapped = found->wrapped;
		return said;
	}

	answer do_reserve_id(const arguments &args)
	{
		auto made = used().ids.reserve_id(args.owner(), args.range());

		if (!made)
			return made.error();
		const ioasid_t id = made->id();

		used().reservations.insert_or_assign(id, std::move(*made));
		return answer().with("id", id);
	}

	answer do_publish_id(const arguments &args)
	{
		const ioasid_t id = args.u32("id");
		auto made = used().reservations.find(id);

		if (made == used().reservations.end())
			return ioasid::detail::status(ioasid_space_publish_id(
				used().ids.native(), id, args.data()));
		const auto done = used().ids.publish(std::move(made->second),
						     args.data());
		if (done)
			used().reservations.erase(made);
		return done.error();
	}

	answer do_release_id(const arguments &args)
	{
		const ioasid_t id = args.u32("id");
		auto made = used().reservations.find(id);

		if (made == used().reservations.end())
			return ioasid::detail::status(ioasid_space_release_id(
				used().ids.native(), id));
		const auto done = made->second.release();
		used().reservations.erase(made);
		return done;
	}

	answer do_free(const arguments &args)
	{
		return used().ids.free(args.u32("id"));
	}

	answer do_free_handle(const arguments &args)
	{
		return used().ids.free(args.use());
	}

	answer do_remove(const arguments &args)
	{
		const auto data =
			used().ids.remove(args.owner(), args.u32("id"));

		return data ? answer().with("data", number_of(*data)) :
			      answer(data.error());
	}

	answer do_free_all(const arguments &)
	{
		const auto count = used().ids.free_all();

		return count ? answer().with("count", *count) :
			       answer(count.error());
	}

	answer do_find(const arguments &args)
	{
		return found(args, ioasid_t(args.u32("id")));
	}

	answer do_find_handle(const arguments &args)
	{
		return found(args, args.use());
	}

	answer do_get(const arguments &args)
	{
		const ioasid_t id = args.u32("id");
		answer said;

		for (std::uint32_t i = args.u32("times", 1);
		     i && said.error == errc(); i--)
			said = hold(args, used().ids.get(args.owner(), id));
		return said;
	}

	answer do_get_handle(const arguments &args)
	{
		return hold(args, used().ids.get(args.owner(), args.use()));
	}

	answer do_put(const arguments &args)
	{
		const ioasid_t id = args.u32("id");
		auto &held = used().references[id];
		answer said;

		for (std::uint32_t i = args.u32("times", 1);
		     i && said.error == errc(); i--) {
			if (held.empty()) {
				said = ioasid::detail::status(ioasid_space_put(
					used().ids.native(), id));
			} else {
				said = held.back().put().error();
				held.pop_back();
			}
		}
		return said;
	}

	answer do_handle(const arguments &args)
	{
		const std::string name = args.word("as");

		bindable(handles_, name);
		const auto use =
			used().ids.handle_of(args.owner(), args.u32("id"));

		if (!use)
			return use.error();
		handles_.emplace(name, *use);
		return answer().with("generation", use->generation());
	}

	answer do_exchange(const arguments &args)
	{
		const auto old =
			used().ids.exchange(args.u32("id"), args.data());

		return old ? answer().with("old", number_of(*old)) :
			     answer(old.error());
	}

	answer do_set_data(const arguments &args)
	{
		return used().ids.set_value(args.u32("id"), args.data());
	}

	answer do_next(const arguments &args)
	{
		const section guard(used().ids);
		const auto next = guard.next(args.owner(), args.range());

		if (!next)
			return next.error();
		return answer()
			.with("id", next->id)
			.with("data", number_of(next->value.get()));
	}

	answer do_for_each(const arguments &args)
	{
		std::string ids, again;
		const auto done = used().ids.for_each(
			args.owner(), args.range(),
			[&ids](ioasid_t id, const auto &value) {
				ids += (ids.empty() ? "" : ",") +
				       std::to_string(id) + ":" +
				       std::to_string(number_of(value.get()));
			});

		if (!done)
			return done.error();
		// The other way to walk sees the same.
		const section guard(used().ids);
		for (const auto each : guard.ids(args.owner(), args.range()))
			again += (again.empty() ? "" : ",") +
				 std::to_string(each.id) + ":" +
				 std::to_string(number_of(each.value.get()));
		if (again != ids)
			throw fault("ids() visits " + again + ", for_each() " +
				    ids);
		return answer().with("ids", ids.empty() ? "none" : ids);
	}

	answer do_capacity(const arguments &args)
	{
		return used().ids.set_capacity(args.u32("count"));
	}

	answer do_reserve(const arguments &args)
	{
		return used().ids.reserve(args.u32("count"));
	}

	answer do_unreserve(const arguments &args)
	{
		return used().ids.unreserve(args.u32("count"));
	}

	answer do_stats(const arguments &)
	{
		const ioasid_stats stats = used().ids.stats();
		answer said = answer().with("live", stats.live)
				      .with("pending", stats.pending)
				      .with("unpublished", stats.unpublished)
				      .with("quarantined", stats.quarantined)
				      .with("sets", stats.sets)
				      .with("capacity", stats.capacity)
				      .with("committed", stats.committed)
				      .with("reserved", stats.reserved)
				      .with("allocs", stats.allocs)
				      .with("frees", stats.frees)
				      .with("alloc_failed", stats.alloc_failed)
				      .with("free_unknown", stats.free_unknown);

		said.any = true;
		return said;
	}

	answer do_set(const arguments &args)
	{
		const std::string name = args.word("NAME");
		const auto label = args.label();
		ioasid::set_config config;

		bindable(sets_, name);
		config.name = label ? label->c_str() : nullptr;
		config.token = pointer(args.u32("token"));
		config.quota = args.u32("quota");
		config.reserved = args.u32("reserved");
		const auto made = used().ids.create_set(config);

		if (!made)
			return made.error();
		bind_set(name, *made);
		return answer();
	}

	answer do_set_destroy(const arguments &args)
	{
		const auto done = args.owner_here().destroy();

		if (done)
			sets_.erase(args.word("set"));
		return done;
	}

	answer do_set_limit(const arguments &args)
	{
		return args.owner_here().limit(args.u32("quota"),
					       args.u32("reserved"));
	}

	answer do_set_stats(const arguments &args)
	{
		const auto stats = args.owner_here().stats();

		if (!stats)
			return stats.error();
		return answer()
			.with("name", stats->name[0] ? stats->name : "none")
			.with("token", number_of(stats->token))
			.with("quota", stats->quota)
			.with("reserved", stats->reserved)
			.with("count", stats->count)
			.with("spids", stats->spids);
	}

	answer do_set_by_token(const arguments &args)
	{
		const auto got =
			used().ids.set_by_token(pointer(args.u32("token")));

		return got ? named_set(args, *got) : answer(got.error());
	}

	answer do_set_of(const arguments &args)
	{
		const auto got = used().ids.set_of(args.u32("id"));

		return got ? named_set(args, *got) : answer(got.error());
	}

	answer do_set_free_all(const arguments &args)
	{
		const auto count = used().ids.free_all(args.owner());

		return count ? answer().with("count", *count) :
			       answer(count.error());
	}

	answer do_sets(const arguments &)
	{
		std::uint64_t count = 0;

		used().ids.for_each_set([&count](set) { count++; });
		return answer().with("count", count);
	}

	answer do_spid_attach(const arguments &args)
	{
		return used().ids.spid_attach(args.u32("id"), args.u32("spid"));
	}

	answer do_spid_detach(const arguments &args)
	{
		return used().ids.spid_detach(args.u32("id"));
	}

	answer do_spid_of(const arguments &args)
	{
		const auto spid = used().ids.spid_of(args.u32("id"));

		return spid ? answer().with("spid", *spid) :
			      answer(spid.error());
	}

	answer do_spid_find(const arguments &args)
	{
		const ioasid_t spid = args.u32("spid");
		const section guard(used().ids);
		const auto named = guard.find_spid(args.owner(), spid);

		if (!named)
			return named.error();
		const number *data = named->value.get();
		if (!args.accepts()) {
			const auto said = used().ids.acquire_spid(
				args.owner(), spid,
				[](number &) { return false; });

			if (!said)
				return said.error();
			data = *said;
		}
		return answer()
			.with("id", named->id)
			.with("data", number_of(data));
	}

	answer do_snapshot(const arguments &args)
	{
		const std::string name = args.word("as");
		std::uint32_t crc = UINT32_MAX;

		bindable(snapshots_, name);
		auto made = used().ids.snapshot(
			[](ioasid_t, const number *value) {
				return number_of(value);
			},
			[](void *token) { return number_of(token); });
		if (!made)
			return made.error();
		for (std::byte each : *made) {
			crc ^= std::to_integer<std::uint32_t>(each);
			for (int bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
		}
		answer said =
			answer().with("size", made->size()).with("crc", ~crc);
		snapshots_.emplace(name, std::move(*made));
		return said;
	}

	answer do_bytes(const arguments &args)
	{
		static const std::string digits = "0123456789abcdef";
		const std::string hex = args.word("HEX");
		std::vector<std::byte> bytes;

		bindable(snapshots_, args.word("NAME"));
		if (hex.size() % 2)
			throw fault("half a byte");
		for (std::size_t i = 0; i < hex.size(); i += 2) {
			const std::size_t high = digits.find(hex[i]);
			const std::size_t low = digits.find(hex[i + 1]);

			if (high == std::string::npos ||
			    low == std::string::npos)
				throw fault("not in digits 0-9, a-f");
			bytes.push_back(
				static_cast<std::byte>(high * 16 + low));
		}
		snapshots_.emplace(args.word("NAME"), std::move(bytes));
		return answer();
	}

	answer do_restore(const arguments &args)
	{
		const auto from = snapshots_.find(args.word("from"));

		if (from == snapshots_.end())
			throw fault("no such snapshot");
		std::vector<std::byte> bytes = from->second;
		const std::size_t size =
			args.has("length") ? args.u32("length") : bytes.size();
		if (size > bytes.size())
			throw fault("the snapshot is not that long");
		bytes.resize(size);
		bytes.shrink_to_fit();
		if (args.has("damage")) {
			const std::string damage = args.word("damage");
			const std::size_t colon = damage.find(':');

			if (colon == std::string::npos)
				throw fault("not OFFSET:XOR");
			const auto at =
				parse(damage.substr(0, colon), UINT32_MAX);
			const auto by = parse(damage.substr(colon + 1), 255);
			if (!by || at >= size)
				throw fault("no such damage");
			bytes[at] ^= static_cast<std::byte>(by);
		}
		return used().ids.restore(
			bytes.data(), bytes.size(),
			[](ioasid_t, std::uint64_t value) {
				return pointer(value);
			},
			[](std::uint64_t value) -> void * {
				return pointer(value);
			});
	}

	answer do_lock(const arguments &)
	{
		used().sections.emplace_back(used().ids);
		return answer();
	}

	answer do_unlock(const arguments &)
	{
		if (used().sections.empty())
			throw fault("not in a read section");
		used().sections.pop_back();
		return answer();
	}

	answer do_synchronize(const arguments &)
	{
		return used().ids.domain().synchronize();
	}

	answer do_barrier(const arguments &)
	{
		return used().ids.domain().barrier();
	}

	answer do_trim(const arguments &)
	{
		used().ids.trim();
		return answer();
	}

	answer do_validate(const arguments &)
	{
		const auto valid = used().ids.validate();

		if (!valid)
			throw fault(valid.reason);
		return answer();
	}

	answer do_space(const arguments &args)
	{
		const std::string name = args.word("NAME");
		const auto label = args.label();
		const auto choice = [&args](const char *key, const char *other,
					    const char *wanted) {
			if (!args.has(key) || args.word(key) == other)
				return false;
			if (args.word(key) != wanted)
				throw fault("no such choice: " +
					    args.word(key));
			return true;
		};
		ioasid::space_config config;

		bindable(spaces_, name);
		config.min = args.u32("min");
		config.max = args.u32("max");
		config.store = store_;
		config.capacity = args.u32("capacity");
		config.name = label ? label->c_str() : nullptr;
		config.quarantine = choice("quarantine", "no", "yes");
		if (choice("reuse", "lowest", "cyclic"))
			config.reuse = ioasid::reuse::cyclic;
		auto made = space::create(config);

		if (!made)
			return made.error();
		used_ = spaces_.emplace(name, std::make_unique<space_state>(
						      std::move(*made)))
				.first->second.get();
		return answer();
	}

	answer do_use(const arguments &args)
	{
		const auto found = spaces_.find(args.word("NAME"));

		if (found == spaces_.end())
			throw fault("no such space");
		used_ = found->second.get();
		return answer();
	}

	answer do_destroy(const arguments &)
	{
		const errc error = used().close();

		if (error == errc())
			forget(used_);
		return error;
	}

	void forget(const space_state *gone)
	{
		for (auto each = sets_.begin(); each != sets_.end();)
			each = each->second.home == gone ? sets_.erase(each) :
							   std::next(each);
		for (auto each = spaces_.begin(); each != spaces_.end();)
			each = each->second.get() == gone ?
				       spaces_.erase(each) :
				       std::next(each);
		if (used_ == gone)
			used_ = nullptr;
	}

	static void compare(const answer &said,
			    const std::vector<std::string> &expected);

	ioasid::store store_;
	std::map<std::string, std::unique_ptr<space_state>> spaces_;
	std::map<std::string, set_state> sets_;
	std::map<std::string, ioasid::handle> handles_;
	std::map<std::string, ioasid::id_cursor> cursors_;
	std::map<std::string, std::vector<std::byte>> snapshots_;
	space_state *used_ = nullptr;
};

// The words a line takes, as in the table of the README.
const std::map<std::string, run::operation> run::operations = {
	{ "alloc", { "[set] min max data", &run::do_alloc, false, false } },
	{ "alloc_cyclic",
	  { "cursor [set] min max data", &run::do_alloc_cyclic, false,
	    false } },
	{ "barrier", { "", &run::do_barrier, false, false } },
	{ "bytes", { "NAME HEX", &run::do_bytes, true, true } },
	{ "capacity", { "count", &run::do_capacity, false, false } },
	{ "destroy", { "", &run::do_destroy, false, false } },
	{ "exchange", { "id data", &run::do_exchange, false, false } },
	{ "find", { "[set] id [accept]", &run::do_find, false, false } },
	{ "find_handle",
	  { "[set] handle [accept]", &run::do_find_handle, false, false } },
	{ "for_each", { "[set] min max", &run::do_for_each, false, false } },
	{ "free", { "id", &run::do_free, false, false } },
	{ "free_all", { "", &run::do_free_all, false, false } },
	{ "free_handle", { "handle", &run::do_free_handle, false, false } },
	{ "get", { "[set] id [times]", &run::do_get, false, false } },
	{ "get_handle", { "[set] handle", &run::do_get_handle, false, false } },
	{ "handle", { "[set] id as", &run::do_handle, false, false } },
	{ "lock", { "", &run::do_lock, true, false } },
	{ "next", { "[set] min max", &run::do_next, false, false } },
	{ "publish_id", { "id data", &run::do_publish_id, false, false } },
	{ "put", { "id [times]", &run::do_put, false, false } },
	{ "release_id", { "id", &run::do_release_id, false, false } },
	{ "remove", { "[set] id", &run::do_remove, false, false } },
	{ "reserve", { "count", &run::do_reserve, false, false } },
	{ "reserve_id",
	  { "[set] min max", &run::do_reserve_id, false, false } },
	{ "restore",
	  { "from [damage] [length]", &run::do_restore, false, false } },
	{ "set",
	  { "NAME [token] [quota] [reserved] [name]", &run::do_set, false,
	    false } },
	{ "set_by_token",
	  { "token [as]", &run::do_set_by_token, false, false } },
	{ "set_data", { "id data", &run::do_set_data, false, false } },
	{ "set_destroy", { "set", &run::do_set_destroy, false, false } },
	{ "set_free_all", { "set", &run::do_set_free_all, false, false } },
	{ "set_limit",
	  { "set quota reserved", &run::do_set_limit, false, false } },
	{ "set_of", { "id [as]", &run::do_set_of, false, false } },
	{ "set_stats", { "set", &run::do_set_stats, false, false } },
	{ "sets", { "", &run::do_sets, false, false } },
	{ "snapshot", { "as", &run::do_snapshot, false, false } },
	{ "space",
	  { "NAME [min] [max] [reuse] [quarantine] [capacity] [name]",
	    &run::do_space, false, true } },
	{ "spid_attach", { "id spid", &run::do_spid_attach, false, false } },
	{ "spid_detach", { "id", &run::do_spid_detach, false, false } },
	{ "spid_find",
	  { "set spid [accept]", &run::do_spid_find, false, false } },
	{ "spid_of", { "id", &run::do_spid_of, false, false } },
	{ "stats", { "", &run::do_stats, false, false } },
	{ "synchronize", { "", &run::do_synchronize, false, false } },
	{ "trim", { "", &run::do_trim, false, false } },
	{ "unlock", { "", &run::do_unlock, true, false } },
	{ "unreserve", { "count", &run::do_unreserve, false, false } },
	{ "use", { "NAME", &run::do_use, true, true } },
	{ "validate", { "", &run::do_validate, false, false } },
};

run::arguments::arguments(run &owner, const std::vector<std::string> &words,
			  const std::string &takes)
	: run_(owner), values_()
{
	std::istringstream wanted(takes);
	std::set<std::string> known;
	std::size_t plain = 1;

	for (std::string key; wanted >> key;) {
		const bool optional = key[0] == '[';

		if (optional)
			key = key.substr(1, key.size() - 2);
		if (key == "NAME" || key == "HEX") {
			if (plain >= words.size())
				throw fault("missing: " + key);
			values_.emplace(key, words[plain++]);
		} else if (known.insert(key).second && !optional) {
			bool there = false;

			for (std::size_t i = plain; i < words.size(); i++)
				there = there ||
					words[i].rfind(key + "=", 0) == 0;
			if (!there)
				throw fault("missing: " + key);
		}
	}
	for (; plain < words.size(); plain++) {
		const auto word = keyed(words[plain]);

		if (!known.count(word.first) || word.second.empty() ||
		    !values_.insert(word).second)
			throw fault("not taken here: " + words[plain]);
	}
	// The calls read what they need; what they may not need is read here.
	for (const char *key : { "times", "length", "token" })
		static_cast<void>(u32(key));
	if (has("set"))
		static_cast<void>(run_.set_named(word("set")));
	static_cast<void>(accepts());
}

ioasid::handle run::arguments::use() const
{
	const auto found = run_.handles_.find(word("handle"));

	if (found != run_.handles_.end())
		return found->second;
	return ioasid::handle(parse(word("handle"), UINT64_MAX));
}

bool run::arguments::accepts() const
{
	if (has("accept") && word("accept") != "no")
		throw fault("not accept=no");
	return !has("accept");
}

std::optional<std::string> run::arguments::label() const
{
	if (!has("name"))
		return std::nullopt;
	if (word("name") == "none")
		throw fault("not a name: none");
	return word("name");
}

const std::map<std::string, errc> &errors()
{
	static const std::map<std::string, errc> named = {
		{ "ok", errc() },
		{ "EPERM", errc::not_permitted },
		{ "ENOENT", errc::not_found },
		{ "EIO", errc::io_error },
		{ "E2BIG", errc::range_too_wide },
		{ "EAGAIN", errc::try_again },
		{ "ENOMEM", errc::no_memory },
		{ "EACCES", errc::not_owner },
		{ "EBUSY", errc::busy },
		{ "EEXIST", errc::exists },
		{ "EXDEV", errc::other_space },
		{ "ENODEV", errc::no_allocator },
		{ "EINVAL", errc::invalid_argument },
		{ "ENFILE", errc::too_many_sets },
		{ "ENOSPC", errc::no_space },
		{ "ERANGE", errc::out_of_range },
		{ "EDEADLK", errc::would_deadlock },
		{ "ENAMETOOLONG", errc::name_too_long },
		{ "EPROTO", errc::unknown_version },
		{ "EBADMSG", errc::bad_snapshot },
		{ "EOVERFLOW", errc::too_many_references },
		{ "ENOBUFS", errc::buffer_too_small },
		{ "ESTALE", errc::stale_handle },
		{ "EDQUOT", errc::quota_exceeded },
	};

	return named;
}

void run::compare(const answer &said, const std::vector<std::string> &expected)
{
	std::string result = "an error without a name", got, wanted;
	std::map<std::string, std::string> left(said.values.begin(),
						said.values.end());

	for (const auto &each : errors()) {
		if (each.second == said.error)
			result = each.first;
	}
	if (said.wrapped)
		result = "wrapped";
	for (const auto &word : expected)
		wanted += (wanted.empty() ? "" : " ") + word;
	got = result;
	if (said.error == errc()) {
		for (const auto &each : said.values)
			got += " " + each.first + "=" + each.second;
	}
	const fault differs("expected " + wanted + ", got " + got);
	if (expected.empty() || expected[0] != result)
		throw differs;
	if (said.error != errc())
		left.clear();
	for (std::size_t i = 1; i < expected.size(); i++) {
		const auto word = keyed(expected[i]);
		const auto found = left.find(word.first);

		if (found == left.end() || found->second != word.second)
			throw differs;
		left.erase(found);
	}
	if (!left.empty() && !said.any)
		throw differs;
}

void run::line_of(const line &text)
{
	std::vector<std::string> before, after;
	bool arrow = false;

	for (const auto &word : text.words) {
		if (arrow)
			after.push_back(word);
		else if (word == "->")
			arrow = true;
		else
			before.push_back(word);
	}
	if (before.empty())
		throw fault("no operation");
	const auto found = operations.find(before[0]);
	if (found == operations.end())
		throw fault("no such operation: " + before[0]);
	const operation &op = found->second;
	if (arrow == op.silent)
		throw fault(op.silent ? "it has no result" : "no result");
	if (arrow && after.empty())
		throw fault("nothing after ->");
	if (!op.spaceless)
		static_cast<void>(used());
	const arguments args(*this, before, op.takes);
	const answer said = (this->*op.function)(args);

	if (!op.silent)
		compare(said, after);
}

void run::end()
{
	for (const auto &each : spaces_) {
		if (!each.second->sections.empty())
			throw fault("ends in a read section");
	}
	while (!spaces_.empty()) {
		space_state *last = spaces_.begin()->second.get();
		const errc error = last->close();

		if (error != errc())
			throw fault(std::string("a space does not end: ") +
				    ioasid::message(error));
		forget(last);
	}
}

} // namespace

int main(int argc, char **argv)
{
	std::size_t expected = 0, passed = 0, failed = 0;
	std::vector<std::pair<std::string, std::vector<test_case>>> files;

	if (argc < 2) {
		std::fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		try {
			files.emplace_back(argv[i], load(argv[i]));
			for (const auto &each : files.back().second)
				expected += each.stores.size();
		} catch (const file_fault &wrong) {
			std::fprintf(stderr, "%s:%zu: %s\n", argv[i], wrong.at,
				     wrong.what());
			failed++;
		}
	}
	for (const auto &file : files) {
		for (const auto &each : file.second) {
			for (const auto &store : stores) {
				std::size_t at = each.at;

				if (!each.stores.count(store.first))
					continue;
				try {
					run one(store.second);

					for (const line &text : each.lines) {
						at = text.at;
						one.line_of(text);
					}
					at = each.at;
					one.end();
					passed++;
				} catch (const std::exception &wrong) {
					std::fprintf(stderr, "%s:%zu: %s: %s\n",
						     file.first.c_str(), at,
						     store.first.c_str(),
						     wrong.what());
					failed++;
				}
			}
		}
	}
	std::printf("%zu passed, %zu failed\n", passed, failed);
	return failed || passed != expected || !expected;
}
