// SPDX-License-Identifier: MIT

package ioasid

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The runner of the conformance cases, see their README.md. What the public methods
// have no way to say goes through the functions they call: a set of another space,
// lines lock and unlock, an ID to publish or release by its number. get keeps no Ref, as put
// drops by number.

// Cases are values of a space of numbers; 0 is none.
type number = uint32

type caseFile struct {
	path  string
	lines [][]string
	// what is wrong with the form, and in which line
	wrong     string
	wrongLine int
	runs      int
}

var conformanceStores = []struct {
	name  string
	store Store
}{{"bitmap", Bitmap}, {"radix", Radix}, {"hash", Hash}}

func isName(text string) bool {
	for i, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9' || c == '-' || c == '_'
		if !letter && (i == 0 || !digit) {
			return false
		}
	}
	return text != ""
}

func parseNumber(text string, bits int) (uint64, error) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, errors.New("not a number: " + text)
		}
	}
	if len(text) > 1 && text[0] == '0' {
		return 0, errors.New("a needless zero: " + text)
	}
	return strconv.ParseUint(text, 10, bits)
}

// storesOf are the numbers of the stores that a case line names.
func storesOf(words []string) ([]int, bool) {
	if len(words) < 2 || len(words) > 3 || !isName(words[1]) {
		return nil, false
	}
	if len(words) == 2 {
		return []int{0, 1, 2}, true
	}
	list := strings.TrimPrefix(words[2], "stores=")
	if list == words[2] {
		return nil, false
	}
	named := strings.Split(list, ",")
	var stores []int
	for i, store := range conformanceStores {
		for _, name := range named {
			if name == store.name {
				stores = append(stores, i)
				break
			}
		}
	}
	return stores, len(stores) == len(named)
}

func (f *caseFile) says(line int, wrong string) {
	f.wrong, f.wrongLine, f.runs = wrong, line, 0
}

func loadCases(path string) (*caseFile, error) {
	f := &caseFile{path: path}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text := string(bytes)
	if strings.ContainsRune(text, 0) {
		f.says(1, "a zero byte")
		return f, nil
	}
	lines := strings.Split(text, "\n")
	whole := lines[len(lines)-1] == ""
	cases := uint64(0)
	names := map[string]bool{}
	ended := false
	for i, line := range lines[:len(lines)-1] {
		if line == "" || line[0] == '#' {
			f.lines = append(f.lines, nil)
			continue
		}
		words := strings.Split(line, " ")
		f.lines = append(f.lines, words)
		for _, word := range words {
			if word == "" {
				f.says(i+1, "not words with one space between")
				return f, nil
			}
		}
		if !whole {
			continue
		}
		switch {
		case ended:
			f.says(i+1, "a line after `end`")
			return f, nil
		case words[0] == "case":
			stores, ok := storesOf(words)
			if !ok {
				f.says(i+1, "case NAME [stores=...]")
				return f, nil
			}
			if names[words[1]] {
				f.says(i+1, "a case of this name before")
				return f, nil
			}
			names[words[1]] = true
			cases++
			f.runs += len(stores)
		case words[0] == "end":
			if len(words) != 2 {
				f.says(i+1, "end COUNT")
				return f, nil
			}
			said, err := parseNumber(words[1], 32)
			if err != nil || said != cases {
				f.says(i+1, "not the number of cases above")
				return f, nil
			}
			ended = true
		case cases == 0:
			f.says(i+1, "a line before any case")
			return f, nil
		}
	}
	switch {
	case !whole:
		f.says(len(lines), "no line end: truncated")
	case !ended:
		f.says(len(f.lines), "no `end`: truncated")
	case cases == 0:
		f.says(len(f.lines), "no cases")
	}
	return f, nil
}

type namedSpace struct {
	*Space[number]
	depth int
}

// caseRun is one case on one store.
type caseRun struct {
	store     Store
	spaces    map[string]*namedSpace
	sets      map[string]*Set[number]
	handles   map[string]Handle
	cursors   map[string]*Cursor
	snapshots map[string][]byte
	s         *namedSpace
	used      string
}

// lineArgs are what stands before the arrow, by key, and what the call has written.
type lineArgs struct {
	run    *caseRun
	name   string
	hex    string
	words  map[string]string
	wrote  []string
	offers []string
}

// badLine is a line that cannot be run, as opposed to an answer of the library.
type badLine string

func (a *lineArgs) bad(format string, args ...any) {
	panic(badLine(fmt.Sprintf(format, args...)))
}

func (a *lineArgs) number(key string) number {
	text, ok := a.words[key]
	if !ok {
		return 0
	}
	n, err := parseNumber(text, 32)
	if err != nil {
		a.bad("%v", err)
	}
	return number(n)
}

func (a *lineArgs) id() ID         { return ID(a.number("id")) }
func (a *lineArgs) span() (ID, ID) { return ID(a.number("min")), ID(a.number("max")) }

func (a *lineArgs) word(key string) string {
	text, ok := a.words[key]
	if ok && (text == "" || text == "none") {
		a.bad("a value that cannot be: %s", key)
	}
	return text
}

func (a *lineArgs) choice(key string, choices ...string) int {
	text, ok := a.words[key]
	if !ok {
		return 0
	}
	for i, choice := range choices {
		if text == choice {
			return i
		}
	}
	a.bad("a value that cannot be: %s", key)
	return 0
}

func (a *lineArgs) set() *Set[number] {
	name, ok := a.words["set"]
	if !ok {
		return nil
	}
	set := a.run.sets[name]
	if set == nil {
		a.bad("no such set")
	}
	return set
}

func (a *lineArgs) handle() Handle {
	text := a.words["handle"]
	if handle, ok := a.run.handles[text]; ok {
		return handle
	}
	n, err := parseNumber(text, 64)
	if err != nil {
		a.bad("no such handle")
	}
	return Handle(n)
}

func (a *lineArgs) cursor() *Cursor {
	name := a.words["cursor"]
	if a.run.cursors[name] == nil {
		bindName(a, a.run.cursors, name, &Cursor{})
	}
	return a.run.cursors[name]
}

func (a *lineArgs) accepts() bool { return a.choice("accept", "", "no") == 0 }

func bindName[V any](a *lineArgs, names map[string]V, name string, value V) {
	if !isName(name) {
		a.bad("not a name: %s", name)
	}
	if _, ok := names[name]; ok {
		a.bad("the name is taken: %s", name)
	}
	names[name] = value
}

func (a *lineArgs) give(key string, value any) {
	a.wrote = append(a.wrote, fmt.Sprintf("%s=%v", key, value))
}

func (a *lineArgs) offer(key string, value any) {
	a.offers = append(a.offers, fmt.Sprintf("%s=%v", key, value))
}

func (a *lineArgs) times(f func() error) error {
	times := number(1)
	if _, ok := a.words["times"]; ok {
		times = a.number("times")
	}
	for ; times > 0; times-- {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (a *lineArgs) foundSet(set *Set[number]) {
	named := "none"
	for name, other := range a.run.sets {
		if set != nil && set == other {
			named = name
		}
	}
	as, ok := a.words["as"]
	switch {
	case !ok && set != nil && named == "none":
		a.give("set", "(not named)")
	case !ok:
		a.give("set", named)
	case set == nil || named != "none":
		a.bad("no set, or one with a name")
	default:
		a.bindSet(as, set)
	}
}

func (a *lineArgs) bindSet(name string, set *Set[number]) {
	if name == "none" {
		a.bad("not a name: none")
	}
	bindName(a, a.run.sets, name, set)
}

func (r *caseRun) destroy(name string) error {
	space := r.spaces[name]
	if err := space.Close(); err != nil {
		return err
	}
	for name, set := range r.sets {
		if set.Space() == space.Space {
			delete(r.sets, name)
		}
	}
	delete(r.spaces, name)
	return nil
}

var errWrapped = errors.New("wrapped")

// lineOp is an operation: the words it takes, keys in brackets may be left out.
type lineOp struct {
	takes             string
	silent, spaceless bool
	run               func(a *lineArgs, s *namedSpace) error
}

var lineOps = map[string]lineOp{
	"space": {takes: "NAME [min] [max] [reuse] [quarantine] [capacity] [name]", spaceless: true,
		run: func(a *lineArgs, _ *namedSpace) error {
			min, max := a.span()
			config := Config{
				Min: min, Max: max, Store: a.run.store,
				Reuse:      Reuse(a.choice("reuse", "lowest", "cyclic")),
				Quarantine: a.choice("quarantine", "no", "yes") == 1,
				Capacity:   a.number("capacity"), Name: a.word("name"),
			}
			bindName(a, a.run.spaces, a.name, nil)
			space, err := New[number](config)
			if err != nil {
				delete(a.run.spaces, a.name)
				return err
			}
			a.run.s, a.run.used = &namedSpace{Space: space}, a.name
			a.run.spaces[a.name] = a.run.s
			return nil
		}},
	"use": {takes: "NAME", silent: true, spaceless: true, run: func(a *lineArgs, _ *namedSpace) error {
		if a.run.spaces[a.name] == nil {
			a.bad("no such space")
		}
		a.run.s, a.run.used = a.run.spaces[a.name], a.name
		return nil
	}},
	"destroy": {run: func(a *lineArgs, _ *namedSpace) error {
		err := a.run.destroy(a.run.used)
		if err == nil {
			a.run.s = nil
		}
		return err
	}},
	"alloc": {takes: "[set] min max data", run: func(a *lineArgs, s *namedSpace) error {
		min, max := a.span()
		id, err := s.alloc(a.set(), min, max, a.number("data"))
		a.give("id", id)
		return err
	}},
	"alloc_cyclic": {takes: "cursor [set] min max data", run: func(a *lineArgs, s *namedSpace) error {
		min, max := a.span()
		cursor := a.cursor()
		id, wrapped, err := s.allocCyclic(a.set(), cursor, min, max, a.number("data"))
		a.give("id", id)
		a.give("next", cursor.Next())
		if wrapped {
			return errWrapped
		}
		return err
	}},
	"reserve_id": {takes: "[set] min max", run: func(a *lineArgs, s *namedSpace) error {
		min, max := a.span()
		reservation, err := s.Space.reserve(a.set(), min, max)
		if err == nil {
			a.give("id", reservation.ID())
		}
		return err
	}},
	"publish_id": {takes: "id data", run: func(a *lineArgs, s *namedSpace) error {
		return s.publish(a.id(), a.number("data"))
	}},
	"release_id": {takes: "id", run: func(a *lineArgs, s *namedSpace) error {
		return s.releaseID(a.id())
	}},
	"free": {takes: "id", run: func(a *lineArgs, s *namedSpace) error { return s.Free(a.id()) }},
	"free_handle": {takes: "handle", run: func(a *lineArgs, s *namedSpace) error {
		return s.FreeHandle(a.handle())
	}},
	"remove": {takes: "[set] id", run: func(a *lineArgs, s *namedSpace) error {
		data, err := s.remove(a.set(), a.id())
		a.give("data", data)
		return err
	}},
	"free_all": {run: func(a *lineArgs, s *namedSpace) error {
		count, err := s.FreeAll()
		a.give("count", count)
		return err
	}},
	"find": {takes: "[set] id [accept]", run: func(a *lineArgs, s *namedSpace) error {
		var data number
		var err error
		if a.accepts() {
			data, err = s.find(a.set(), a.id())
		} else {
			data, err = s.findFunc(a.set(), a.id(), func(number) bool { return false })
		}
		a.give("data", data)
		return err
	}},
	"get": {takes: "[set] id [times]", run: func(a *lineArgs, s *namedSpace) error {
		return a.times(func() error {
			_, err := s.get(a.set(), a.id())
			return err
		})
	}},
	"put": {takes: "id [times]", run: func(a *lineArgs, s *namedSpace) error {
		return a.times(func() error {
			_, err := s.Put(a.id())
			return err
		})
	}},
	"handle": {takes: "[set] id as", run: func(a *lineArgs, s *namedSpace) error {
		handle, err := s.handle(a.set(), a.id())
		if err != nil {
			return err
		}
		a.give("generation", handle.Generation())
		bindName(a, a.run.handles, a.word("as"), handle)
		return nil
	}},
	"find_handle": {takes: "[set] handle [accept]", run: func(a *lineArgs, s *namedSpace) error {
		data, err := s.findHandle(a.set(), a.handle())
		if !a.accepts() {
			data = 0
		}
		a.give("data", data)
		return err
	}},
	"get_handle": {takes: "[set] handle", run: func(a *lineArgs, s *namedSpace) error {
		_, err := s.getHandle(a.set(), a.handle())
		return err
	}},
	"exchange": {takes: "id data", run: func(a *lineArgs, s *namedSpace) error {
		old, err := s.Exchange(a.id(), a.number("data"))
		a.give("old", old)
		return err
	}},
	"set_data": {takes: "id data", run: func(a *lineArgs, s *namedSpace) error {
		return s.SetData(a.id(), a.number("data"))
	}},
	"next": {takes: "[set] min max", run: func(a *lineArgs, s *namedSpace) error {
		min, max := a.span()
		id, data, err := s.next(a.set(), min, max)
		a.give("id", id)
		a.give("data", data)
		return err
	}},
	"for_each": {takes: "[set] min max", run: func(a *lineArgs, s *namedSpace) error {
		min, max := a.span()
		var ids []string
		err := s.walk(a.set(), min, max, func(id ID, data number) bool {
			ids = append(ids, fmt.Sprintf("%d:%d", id, data))
			return true
		})
		if ids == nil {
			ids = []string{"none"}
		}
		a.give("ids", strings.Join(ids, ","))
		return err
	}},
	"capacity":  {takes: "count", run: func(a *lineArgs, s *namedSpace) error { return s.SetCapacity(a.number("count")) }},
	"reserve":   {takes: "count", run: func(a *lineArgs, s *namedSpace) error { return s.ReserveCapacity(a.number("count")) }},
	"unreserve": {takes: "count", run: func(a *lineArgs, s *namedSpace) error { return s.UnreserveCapacity(a.number("count")) }},
	"stats": {run: func(a *lineArgs, s *namedSpace) error {
		stats, err := s.Stats()
		a.offer("live", stats.Live)
		a.offer("pending", stats.Pending)
		a.offer("unpublished", stats.Unpublished)
		a.offer("quarantined", stats.Quarantined)
		a.offer("sets", stats.Sets)
		a.offer("capacity", stats.Capacity)
		a.offer("committed", stats.Committed)
		a.offer("reserved", stats.Reserved)
		a.offer("allocs", stats.Allocs)
		a.offer("frees", stats.Frees)
		a.offer("alloc_failed", stats.AllocFailed)
		a.offer("free_unknown", stats.FreeUnknown)
		return err
	}},
	"set": {takes: "NAME [token] [quota] [reserved] [name]", run: func(a *lineArgs, s *namedSpace) error {
		set, err := s.NewSet(SetConfig{
			Name: a.word("name"), Token: uint64(a.number("token")),
			Quota: a.number("quota"), Reserved: a.number("reserved"),
		})
		if err == nil {
			a.bindSet(a.name, set)
		}
		return err
	}},
	"set_destroy": {takes: "set", run: func(a *lineArgs, s *namedSpace) error {
		set := a.set()
		if set.Space() != s.Space {
			return errorOf(s.core.destroySet(set.core))
		}
		err := set.Destroy()
		if err == nil {
			delete(a.run.sets, a.words["set"])
		}
		return err
	}},
	"set_limit": {takes: "set quota reserved", run: func(a *lineArgs, s *namedSpace) error {
		return errorOf(s.core.limitSet(a.set().core, a.number("quota"), a.number("reserved")))
	}},
	"set_stats": {takes: "set", run: func(a *lineArgs, s *namedSpace) error {
		var stats SetStats
		ret := s.core.setStats(a.set().core, &stats)
		if stats.Name == "" {
			stats.Name = "none"
		}
		a.give("name", stats.Name)
		a.give("token", stats.Token)
		a.give("quota", stats.Quota)
		a.give("reserved", stats.Reserved)
		a.give("count", stats.Count)
		a.give("spids", stats.SPIDs)
		return errorOf(ret)
	}},
	"set_by_token": {takes: "token [as]", run: func(a *lineArgs, s *namedSpace) error {
		set, err := s.SetByToken(uint64(a.number("token")))
		if err == nil {
			a.foundSet(set)
		}
		return err
	}},
	"set_of": {takes: "id [as]", run: func(a *lineArgs, s *namedSpace) error {
		set, err := s.SetOf(a.id())
		if err == nil {
			a.foundSet(set)
		}
		return err
	}},
	"set_free_all": {takes: "set", run: func(a *lineArgs, s *namedSpace) error {
		count, err := s.freeAll(a.set())
		a.give("count", count)
		return err
	}},
	"sets": {run: func(a *lineArgs, s *namedSpace) error {
		a.give("count", len(s.Sets()))
		return nil
	}},
	"spid_attach": {takes: "id spid", run: func(a *lineArgs, s *namedSpace) error {
		return s.AttachSPID(a.id(), ID(a.number("spid")))
	}},
	"spid_detach": {takes: "id", run: func(a *lineArgs, s *namedSpace) error { return s.DetachSPID(a.id()) }},
	"spid_of": {takes: "id", run: func(a *lineArgs, s *namedSpace) error {
		spid, err := s.SPID(a.id())
		a.give("spid", spid)
		return err
	}},
	"spid_find": {takes: "set spid [accept]", run: func(a *lineArgs, s *namedSpace) error {
		id, data, err := s.findSPID(a.set(), ID(a.number("spid")))
		if !a.accepts() {
			data = 0
		}
		a.give("id", id)
		a.give("data", data)
		return err
	}},
	"snapshot": {takes: "as", run: func(a *lineArgs, s *namedSpace) error {
		bytes, err := s.Snapshot(func(_ ID, data number) (uint64, error) { return uint64(data), nil })
		bindName(a, a.run.snapshots, a.word("as"), bytes)
		a.give("size", len(bytes))
		a.give("crc", crc32.ChecksumIEEE(bytes))
		return err
	}},
	"bytes": {takes: "NAME HEX", silent: true, spaceless: true, run: func(a *lineArgs, _ *namedSpace) error {
		bytes, err := hex.DecodeString(a.hex)
		if err != nil || strings.ToLower(a.hex) != a.hex {
			a.bad("not bytes in hex")
		}
		bindName(a, a.run.snapshots, a.name, bytes)
		return nil
	}},
	"restore": {takes: "from [damage] [length]", run: func(a *lineArgs, s *namedSpace) error {
		from, ok := a.run.snapshots[a.words["from"]]
		if !ok {
			a.bad("no such snapshot")
		}
		length := len(from)
		if _, ok := a.words["length"]; ok {
			length = int(a.number("length"))
		}
		if length > len(from) {
			a.bad("the snapshot is not that long")
		}
		bytes := append([]byte(nil), from[:length]...)
		if damage, ok := a.words["damage"]; ok {
			at, by, _ := strings.Cut(damage, ":")
			offset, err := parseNumber(at, 32)
			xor, err2 := parseNumber(by, 8)
			if err != nil || err2 != nil || xor == 0 || int(offset) >= length {
				a.bad("damage that cannot be")
			}
			bytes[offset] ^= byte(xor)
		}
		return s.Restore(bytes, func(_ ID, data uint64) (number, error) { return number(data), nil })
	}},
	"lock": {silent: true, run: func(a *lineArgs, s *namedSpace) error {
		if s.core.readLock() != 0 {
			a.bad("the space is closed")
		}
		s.depth++
		return nil
	}},
	"unlock": {silent: true, run: func(a *lineArgs, s *namedSpace) error {
		if s.depth == 0 {
			a.bad("not in a read section")
		}
		s.depth--
		s.core.readUnlock()
		return nil
	}},
	"synchronize": {run: func(a *lineArgs, s *namedSpace) error { return s.Synchronize() }},
	"barrier":     {run: func(a *lineArgs, s *namedSpace) error { return s.Barrier() }},
	"trim": {run: func(a *lineArgs, s *namedSpace) error {
		_, err := s.Trim()
		return err
	}},
	"validate": {run: func(a *lineArgs, s *namedSpace) error {
		if err := s.Validate(); err != nil {
			a.bad("%v", err)
		}
		return nil
	}},
}

var resultNames = map[syscall.Errno]string{
	syscall.E2BIG: "E2BIG", syscall.EACCES: "EACCES", syscall.EAGAIN: "EAGAIN",
	syscall.EBADMSG: "EBADMSG", syscall.EBUSY: "EBUSY", syscall.EDEADLK: "EDEADLK",
	syscall.EDQUOT: "EDQUOT", syscall.EEXIST: "EEXIST", syscall.EINVAL: "EINVAL",
	syscall.EIO: "EIO", syscall.ENAMETOOLONG: "ENAMETOOLONG", syscall.ENFILE: "ENFILE",
	syscall.ENOBUFS: "ENOBUFS", syscall.ENODEV: "ENODEV", syscall.ENOENT: "ENOENT",
	syscall.ENOMEM: "ENOMEM", syscall.ENOSPC: "ENOSPC", syscall.EOVERFLOW: "EOVERFLOW",
	syscall.EPERM: "EPERM", syscall.EPROTO: "EPROTO", syscall.ERANGE: "ERANGE",
	syscall.ESTALE: "ESTALE", syscall.EXDEV: "EXDEV",
}

func resultName(err error) string {
	if err == nil {
		return "ok"
	}
	if err == errWrapped {
		return "wrapped"
	}
	var e *Error
	if errors.As(err, &e) {
		if name := resultNames[e.Errno()]; name != "" {
			return name
		}
	}
	return err.Error()
}

// parse reads the words before the arrow as the operation takes them.
func (a *lineArgs) parse(op lineOp, words []string) {
	left := append([]string(nil), words...)
	a.words = map[string]string{}
	for _, take := range strings.Fields(op.takes) {
		if take == "NAME" || take == "HEX" {
			if len(left) == 0 {
				a.bad("a word is missing")
			}
			if take == "NAME" {
				a.name = left[0]
			} else {
				a.hex = left[0]
			}
			left = left[1:]
			continue
		}
		key := strings.Trim(take, "[]")
		for i, word := range left {
			if strings.HasPrefix(word, key+"=") {
				a.words[key] = word[len(key)+1:]
				left = append(left[:i:i], left[i+1:]...)
				break
			}
		}
		if value, ok := a.words[key]; ok && value == "" || !ok && take[0] != '[' {
			a.bad("a key or its value is missing: %s", key)
		}
	}
	if len(left) > 0 {
		a.bad("a key that the operation does not take: %s", left[0])
	}
}

// agree reports whether the values written are all that must be, and no others.
func (a *lineArgs) agree(values []string) bool {
	said := map[string]bool{}
	for _, value := range values {
		if said[value] {
			return false
		}
		said[value] = true
	}
	for _, value := range a.wrote {
		if !said[value] {
			return false
		}
		delete(said, value)
	}
	for _, value := range a.offers {
		delete(said, value)
	}
	return len(said) == 0
}

// line runs one line; the answer says what is wrong with it, empty: nothing.
func (r *caseRun) line(words []string) (wrong string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case badLine:
			wrong = string(p)
		default:
			panic(p)
		}
	}()
	arrow := len(words)
	for i, word := range words {
		if word == "->" {
			arrow = i
			break
		}
	}
	op, ok := lineOps[words[0]]
	switch {
	case !ok:
		return "no such operation"
	case op.silent && arrow < len(words):
		return "it has no result to write"
	case !op.silent && arrow+1 >= len(words):
		return "the result is missing"
	}
	a := &lineArgs{run: r}
	a.parse(op, words[1:arrow])
	for key := range a.words {
		switch key {
		case "accept":
			if a.words[key] != "no" {
				return "a value that cannot be: accept"
			}
		case "as", "name":
			a.word(key)
		}
	}
	if !op.spaceless && r.s == nil {
		return "no space in use"
	}
	err := op.run(a, r.s)
	if op.silent {
		return ""
	}
	result, values := words[arrow+1], words[arrow+2:]
	failed := err != nil && err != errWrapped
	if result == resultName(err) && (failed && len(values) == 0 || !failed && a.agree(values)) {
		return ""
	}
	got := resultName(err)
	if !failed {
		got = strings.Join(append(append([]string{got}, a.wrote...), a.offers...), " ")
	}
	return fmt.Sprintf("expected %s, got %s", strings.Join(words[arrow+1:], " "), got)
}

// run runs the case that begins at a line, on one store, and says what is wrong.
func (f *caseFile) run(at, store int, report io.Writer) bool {
	r := &caseRun{
		store: conformanceStores[store].store, spaces: map[string]*namedSpace{},
		sets: map[string]*Set[number]{}, handles: map[string]Handle{},
		cursors: map[string]*Cursor{}, snapshots: map[string][]byte{},
	}
	says := func(at int, what string) {
		fmt.Fprintf(report, "%s:%d: %s: %s\n", f.path, at+1, conformanceStores[store].name, what)
	}
	passed := true
	for i := at + 1; passed; i++ {
		words := f.lines[i]
		if words == nil {
			continue
		}
		if words[0] == "case" || words[0] == "end" {
			break
		}
		if wrong := r.line(words); wrong != "" {
			says(i, wrong)
			passed = false
		}
	}
	clean := true
	for _, space := range r.spaces {
		for ; space.depth > 0; space.depth-- {
			clean = false
			space.core.readUnlock()
		}
	}
	for name, space := range r.spaces {
		if err := r.destroy(name); err != nil {
			says(at, "a space cannot be closed: "+err.Error())
			return false
		}
		if held := space.values.count(); held != 0 {
			says(at, fmt.Sprintf("%d values are held after close", held))
			return false
		}
	}
	if passed && !clean {
		says(at, "the case ends in a read section")
		passed = false
	}
	return passed
}

// runConformance runs the files and says how it went as their README asks for.
func runConformance(paths []string, out, report io.Writer) (ok bool, err error) {
	// Lines lock and unlock are on one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if len(paths) == 0 {
		return false, errors.New("no files")
	}
	var files []*caseFile
	runs, passed, failed := 0, 0, 0
	for _, path := range paths {
		f, err := loadCases(path)
		if err != nil {
			return false, err
		}
		files = append(files, f)
		runs += f.runs
	}
	for _, f := range files {
		if f.wrong != "" {
			fmt.Fprintf(report, "%s:%d: %s\n", f.path, f.wrongLine, f.wrong)
			failed++
			continue
		}
		for i, words := range f.lines {
			if words == nil || words[0] != "case" {
				continue
			}
			stores, _ := storesOf(words)
			for _, store := range stores {
				if f.run(i, store, report) {
					passed++
				} else {
					failed++
				}
			}
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	return failed == 0 && passed == runs, nil
}

// With IOASID_CONFORMANCE_RUNNER the test program is the runner, for the program that
// judges runners.
func TestMain(m *testing.M) {
	if os.Getenv("IOASID_CONFORMANCE_RUNNER") == "" {
		os.Exit(m.Run())
	}
	ok, err := runConformance(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
	os.Exit(0)
}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob("conformance/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if files == nil {
		t.Fatal("no cases: they are put here by bindings/stage of the repository")
	}
	var out, report strings.Builder
	ok, err := runConformance(files, &out, &report)
	t.Log(strings.TrimSpace(out.String()))
	if !ok || err != nil {
		t.Errorf("%v\n%s", err, report.String())
	}
}
