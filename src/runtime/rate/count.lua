-- Counts a request for all of its limits, or for none: KEYS are those of the limits, of ARGV six belong to each.
-- Rates (r, interval, burst × interval, spent at least; microseconds) are the generic cell rate algorithm in this server's time.
-- Quotas (q, field, requests, counted elsewhere, seconds since 1970 at which the key may go, used at least) are counters of a
-- period. What the gateway knows is kept whether the request is let in or not: this server may have forgotten it.
-- The reply has three numbers for each: of a rate what remains, when all has come back and when to come again (-1: let in);
-- of a quota how many were counted, 0, and -1 where it let the request in.
local time = redis.call('TIME')
-- Since 2026, so that a double holds microseconds and their fractions.
local now = (time[1] - 1767225600) * 1000000 + time[2]
local reply, spent, admitted = {}, {}, true
local function keep(key, left)
  redis.call('SET', key, string.format('%.4f', now + left), 'PX', string.format('%d', math.ceil(left / 1000) + 1))
end
for i = 1, #KEYS do
  local at, out = (i - 1) * 6, (i - 1) * 3
  if ARGV[at + 1] == 'r' then
    local interval, full = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local before = tonumber(redis.call('GET', KEYS[i]) or 0) - now
    before = math.min(math.max(before, 0), full)
    local known = math.min(tonumber(ARGV[at + 4]), full)
    if known > before then
      before = known
      keep(KEYS[i], known)
    end
    spent[i] = before + interval
    -- Half a microsecond is what rounding may make of it.
    if spent[i] - full > 0.5 then
      admitted = false
      reply[out + 1], reply[out + 2], reply[out + 3] = 0, math.ceil(before), math.ceil(spent[i] - full)
    else
      local remaining = math.max(math.floor((full - spent[i]) / interval + 0.001), 0)
      reply[out + 1], reply[out + 2], reply[out + 3] = remaining, math.ceil(spent[i]), -1
    end
  else
    local before = tonumber(redis.call('HGET', KEYS[i], ARGV[at + 2]) or 0)
    local used = math.max(before + tonumber(ARGV[at + 4]), tonumber(ARGV[at + 6]))
    if used > before then
      redis.call('HSET', KEYS[i], ARGV[at + 2], string.format('%d', used))
      redis.call('EXPIREAT', KEYS[i], ARGV[at + 5])
    end
    reply[out + 1], reply[out + 2], reply[out + 3] = used, 0, -1
    if used >= tonumber(ARGV[at + 3]) then
      admitted = false
      reply[out + 3] = 0
    end
  end
end
if not admitted then
  for i = 1, #KEYS do
    -- It was not counted here either.
    local at, out = (i - 1) * 6, (i - 1) * 3
    if ARGV[at + 1] == 'r' and reply[out + 3] == -1 then
      reply[out + 1] = reply[out + 1] + 1
      reply[out + 2] = math.ceil(spent[i] - tonumber(ARGV[at + 2]))
    end
  end
else
  for i = 1, #KEYS do
    local at = (i - 1) * 6
    if ARGV[at + 1] == 'r' then
      keep(KEYS[i], spent[i])
    else
      reply[(i - 1) * 3 + 1] = redis.call('HINCRBY', KEYS[i], ARGV[at + 2], 1)
      redis.call('EXPIREAT', KEYS[i], ARGV[at + 5])
    end
  end
end
return reply
