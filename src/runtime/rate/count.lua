-- Counts a request for all of its limits, or for none: KEYS are those of the limits, of ARGV five belong to each.
-- Rates (r, interval, burst × interval; microseconds) are the generic cell rate algorithm in this server's time.
-- Quotas (q, field, requests, counted elsewhere, seconds since 1970 at which the key may go) are counters of a period.
-- The reply has three numbers for each: of a rate what remains, when all has come back and when to come again (-1: let in);
-- of a quota how many were counted, 0, and -1 where it let the request in.
local time = redis.call('TIME')
-- Since 2026, so that a double holds microseconds and their fractions.
local now = (time[1] - 1767225600) * 1000000 + time[2]
local reply, spent, admitted = {}, {}, true
for i = 1, #KEYS do
  local at, out = (i - 1) * 5, (i - 1) * 3
  if ARGV[at + 1] == 'r' then
    local interval, full = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local before = tonumber(redis.call('GET', KEYS[i]) or 0) - now
    before = math.min(math.max(before, 0), full)
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
    local elsewhere = tonumber(ARGV[at + 4])
    local used = tonumber(redis.call('HGET', KEYS[i], ARGV[at + 2]) or 0) + elsewhere
    if elsewhere > 0 then
      redis.call('HINCRBY', KEYS[i], ARGV[at + 2], elsewhere)
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
    local out = (i - 1) * 3
    if ARGV[(i - 1) * 5 + 1] == 'r' and reply[out + 3] == -1 then
      reply[out + 1] = reply[out + 1] + 1
    end
  end
else
  for i = 1, #KEYS do
    local at = (i - 1) * 5
    if ARGV[at + 1] == 'r' then
      local over_at = string.format('%.4f', now + spent[i])
      redis.call('SET', KEYS[i], over_at, 'PX', string.format('%d', math.ceil(spent[i] / 1000) + 1))
    else
      reply[(i - 1) * 3 + 1] = redis.call('HINCRBY', KEYS[i], ARGV[at + 2], 1)
      redis.call('EXPIREAT', KEYS[i], ARGV[at + 5])
    end
  end
end
return reply
