-- One call of fleet.Fleet's Sync for one account, in one step. The rules are those of package
-- fleet/memory, rules.go, function for function, and are explained there.
--
-- KEYS[1] is the account, a hash: field h its header, r:ID the share of replica ID, both packed.
-- KEYS[2] has when this part of the keys was first used after it was empty, in ms; 0: it never was.
local version = 1

local at = 0
local function text() at = at + 1; return ARGV[at] end
local function number() return tonumber(text()) end -- nil if it is empty

local now = number() -- given by tests alone
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local replica, n, confirmed = text(), number(), number()
local known_epoch, known_clock = text(), number()
local have_now, spare_now, settled_now = number(), number(), number()
local blind_now, blind_confirmed, heir = number(), number(), text()
local need, least, want, limit = number(), number(), number(), number()
local start, stop, named = number(), number(), text() == '1'
local hint, count = number(), number()
local note_epoch, note_clock, note_blind = text(), number(), number()
local valid, reclaim, owe, keep, channel = number(), number(), number(), number(), text()

-- A share is {n, have, spare, settled, blind, deadline, life}.
local N, HAVE, SPARE, SETTLED, BLIND, DEADLINE, LIFE = 1, 2, 3, 4, 5, 6, 7
local ALIVE, DEAD, OWING = 0, 1, 2
local MOST_COUNTS, RECALL_EVERY, REFRESH_EVERY = 6, 10, 1500

local key, mine_field = KEYS[1], 'r:' .. replica
local fields = redis.call('HMGET', key, 'h', mine_field)
local mine = fields[2] and { cmsgpack.unpack(fields[2]) }
local epoch, period_start, period_end = '', start, stop
local clock, counts, plus, plus_at, blind, out, spare, holders = 0, { { 0, 0 } }, 0, 0, 0, 0, 0, 0
local sweep, learning, wanted, dead, dead_at, before, recalled = 0, 0, 0, 0, 0, 0, 0
local lost, dropped, recalls = 0, 0, false

-- Lua's own text of a number loses digits.
local function exact(v) return string.format('%.17g', v) end

local function answer(code, units)
  return { code, exact(units), epoch, exact(clock), exact(blind), exact(counts[1][1]), exact(plus), exact(out), exact(spare),
    holders, exact(period_start), exact(period_end), lost, dropped, (dead > 0 or wanted > 0) and 1 or 0 }
end

-- By bytes: Lua's own order of texts is that of the server's language.
local function after(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

local function new_epoch()
  local next = string.format('%016d-', now) .. replica .. '-' .. exact(n)
  if not after(next, epoch) then next = epoch .. '.' end
  if not after(next, known_epoch) then next = known_epoch .. '.' end
  return next
end

local function learn(new_clock)
  clock = new_clock
  counts = { { counts[1][1], clock } }
  plus_at, wanted, learning, recalls = clock, clock, now + valid, true
end

local function sweep_at(t) if sweep == 0 or t < sweep then sweep = t end end

local function shares() -- of the others
  local all, found = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    if all[i] ~= 'h' and all[i] ~= mine_field then found[#found + 1] = { all[i], { cmsgpack.unpack(all[i + 1]) } } end
  end
  return found
end

local function put(field, s) redis.call('HSET', key, field, cmsgpack.pack(unpack(s))) end

local function drop(field, s)
  redis.call('HDEL', key, field)
  out, spare = out - s[HAVE], spare - s[SPARE]
  if s[HAVE] > 0 then holders = holders - 1 end
end

-- Nothing is written before it is known that the state is taken, but what comes of a period's end.

if fields[1] then
  local of
  of, epoch, period_start, period_end, clock, counts, plus, plus_at, blind, out, spare, holders,
    sweep, learning, wanted, dead, dead_at, before, recalled = cmsgpack.unpack(fields[1])
  if of ~= version then return redis.error_reply('GATEVERSION ' .. tostring(of)) end
else
  if start > now then return answer('early', 0) end
  epoch, clock = new_epoch(), 1
  local born = tonumber(redis.call('GET', KEYS[2]))
  if not born then
    born = now
    redis.call('SET', KEYS[2], exact(born))
  end
  if born > 0 and now < born + valid then learning, wanted, recalls = born + valid, 1, true end
end

-- What the store has lost.
if known_epoch ~= '' then
  if known_epoch ~= epoch then
    lost = 1
    if after(known_epoch, epoch) then epoch, learning = new_epoch(), 0 end
    if learning == 0 then learn(clock + 1) end
  elseif clock < known_clock or (mine and mine[N] < confirmed) then
    lost = 1
    epoch = new_epoch()
    learn(math.max(clock, known_clock) + 1)
  end
end
if note_epoch ~= epoch then note_clock, note_blind = 0, 0 end

-- The period.
local rolled = false
if stop > 0 and (start ~= period_start or stop ~= period_end) then
  if period_end > 0 and start >= period_end then
    if now < period_end then return answer('early', 0) end
    before = counts[1][1] + plus + out
    period_start, period_end = start, stop
    plus, blind, out, spare, holders, sweep, dead = 0, 0, 0, 0, 0, 0, 0
    mine, rolled, clock = nil, true, clock + 1
    counts = { { 0, clock } }
    plus_at, note_clock, note_blind, blind_confirmed = clock, 0, 0, blind_now
  elseif period_end > 0 and (stop <= period_start or (start < period_start and not named)) then
    return answer('over', 0)
  elseif period_end > 0 and start < period_start then
    period_start, period_end, clock = start, stop, clock + 1
    counts = { { before + counts[1][1] + plus, clock } }
    plus, before, note_clock, note_blind, plus_at, wanted = 0, 0, 0, 0, clock, clock
  elseif period_end == 0 or named then
    period_start, period_end = start, stop
  end
end
if period_end > 0 and now >= period_end then return answer('over', 0) end

-- The caller's share, as it was told before.
if mine then
  if n <= mine[N] then return answer('stale', 0) end
  if mine[LIFE] == DEAD then dead = dead - 1 end
  if spare_now > 0 and mine[LIFE] ~= ALIVE then dropped = 1 end
  if mine[HAVE] > 0 then holders = holders - 1 end
else
  mine = { 0, 0, 0, 0, blind_confirmed, 0, ALIVE }
  if spare_now > 0 and known_epoch == epoch then dropped = 1 end
end
if dropped == 1 then have_now, spare_now = have_now - spare_now, 0 end
if rolled then redis.call('DEL', key) end

-- The dead.
local function die(s)
  dead, clock = dead + 1, clock + 1
  s[LIFE], dead_at = DEAD, clock
end
if sweep > 0 and now >= sweep then
  sweep = 0
  for _, other in ipairs(shares()) do
    local field, s = other[1], other[2]
    if now >= s[DEADLINE] and (s[LIFE] == OWING or s[HAVE] == 0) then
      drop(field, s)
    elseif now >= s[DEADLINE] and s[LIFE] == ALIVE then
      die(s)
      put(field, s)
    elseif s[LIFE] ~= DEAD then
      sweep_at(s[DEADLINE])
    end
  end
end
if heir ~= '' and heir ~= replica then
  local field = 'r:' .. heir
  local packed = redis.call('HGET', key, field)
  local s = packed and { cmsgpack.unpack(packed) }
  if s and (s[LIFE] == OWING or s[HAVE] == 0) then
    drop(field, s)
  elseif s and (s[LIFE] == DEAD or now >= s[DEADLINE] - reclaim + valid) then
    s[SETTLED] = 0
    if s[LIFE] == ALIVE then die(s) end
    put(field, s)
  end
end

-- Stigg's counts.
local function keep_count(used)
  clock = clock + 1
  while #counts > 0 and counts[#counts][1] <= used do table.remove(counts) end
  counts[#counts + 1] = { used, clock }
  if #counts > MOST_COUNTS then
    counts[MOST_COUNTS - 1][2] = counts[MOST_COUNTS][2]
    table.remove(counts, MOST_COUNTS)
  end
end

local function free_dead()
  for _, other in ipairs(shares()) do
    local field, s = other[1], other[2]
    if s[LIFE] == DEAD then
      if s[SETTLED] == 0 then
        drop(field, s)
      else
        out, spare = out + s[SETTLED] - s[HAVE], spare - s[SPARE]
        s[HAVE], s[SPARE], s[LIFE], s[DEADLINE] = s[SETTLED], 0, OWING, now + owe
        sweep_at(s[DEADLINE])
        put(field, s)
      end
    end
  end
  dead = 0
end

if hint then keep_count(hint) end
if count and note_clock == 0 then
  keep_count(count)
elseif count then
  local more = blind - note_blind
  local i = 1
  while i <= #counts and counts[i][2] <= note_clock do i = i + 1 end
  local rest = counts[i] and counts[i][1] or 0
  if i > 1 and math.max(count, rest) + more < counts[1][1] + plus then
    for _ = 2, i do table.remove(counts, 1) end
    plus, clock = more, clock + 1
    plus_at = clock
  elseif note_clock >= plus_at then
    plus = 0
  end
  keep_count(count)
  if wanted > 0 and note_clock >= wanted then wanted = 0 end
  if dead > 0 and note_clock >= dead_at then free_dead() end
end
local more = blind_now - mine[BLIND]
if more > 0 then
  blind, plus, clock = blind + more, plus + more, clock + 1
  plus_at = clock
end

-- What the caller has, and what it is granted.
out, spare = out - mine[HAVE] + have_now, spare - mine[SPARE] + spare_now
if holders == 0 then out, spare = have_now, spare_now end
local base = counts[1][1]
local room = limit - (base + plus + out)
local share = math.floor(room / (2 * (holders + 1)))
local learns = now < learning or wanted > 0
local function fits(amount, size) return amount <= size or amount - size <= math.min(1e-3, 1e-9 * math.abs(limit)) end
if least == 0 or least > need then least = need end
local code, units = 'ok', 0
if need == 0 then
  if want > 0 and not learns then units = math.max(0, math.min(want, share)) end
elseif learns then
  code = 'learning'
elseif fits(need, room) then
  units = math.max(need, math.min(want, share))
elseif fits(least, room) then
  units = math.max(least, room)
elseif not fits(least, limit - base) then
  code = 'exceeded'
else
  code = 'pending'
  if fits(least, room + spare - spare_now) or now >= recalled + REFRESH_EVERY then
    code = 'recall'
    if now >= recalled + RECALL_EVERY then recalled, recalls = now, true end
  end
end
local have = have_now + units
out, spare = out + units, spare + units
if have > 0 then holders = holders + 1 end
local deadline = now + reclaim
sweep_at(deadline)
redis.call('HSET', key,
  mine_field, cmsgpack.pack(n, have, spare_now + units, settled_now, blind_now, deadline, ALIVE),
  'h', cmsgpack.pack(version, epoch, period_start, period_end, clock, counts, plus, plus_at, blind, out, spare, holders,
    sweep, learning, wanted, dead, dead_at, before, recalled))
redis.call('PEXPIRE', key, keep)
if recalls then redis.call('PUBLISH', channel, key) end
return answer(code, units)
