-- Who is no longer accepted, as all gateways know it. KEYS[1] has each entry by the number of the change that it came with: the
-- second since 1970 at which it ends (0: never), `jti` or `sub`, the provider and the value, with line breaks between. Lowest
-- stands the life, which is a run of this server and when it was begun, at -1 minus the number up to which something was
-- taken out, or may have been forgotten: who knows less has to read everything.
-- ARGV is the run of this server, the life and the number that the gateway knows, and the channel in which all hear that there
-- is something to ask for. The rest are changes: `+` and an entry, or `-` and an entry without its end. The reply is life and
-- number; 1 where everything follows, and 0 where what is new does; then entries.
local key, time = KEYS[1], redis.call('TIME')
local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
local life, floor = first[1], -1 - tonumber(first[2] or 0)
local now = math.max(floor, tonumber(last[2] or 0), 0)
if floor < 0 or string.sub(life, 1, #ARGV[1]) ~= ARGV[1] then
  if floor >= 0 then
    redis.call('ZREM', key, life)
  end
  life, floor = ARGV[1] .. '.' .. time[1] .. '.' .. time[2], now
  redis.call('ZADD', key, -1 - floor, life)
end
local function who(entry)
  return string.match(entry, '\n(.*)')
end
local before, added, gone, are_gone = now, {}, {}, false
for i = 5, #ARGV do
  local entry = string.sub(ARGV[i], 2)
  if string.sub(ARGV[i], 1, 1) == '+' then
    added[#added + 1] = entry
  else
    gone[entry], are_gone = true, true
    for at = #added, 1, -1 do
      if who(added[at]) == entry then
        table.remove(added, at)
      end
    end
  end
end
if are_gone then
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key, 0, '+inf')) do
    if gone[who(entry)] then
      redis.call('ZREM', key, entry)
    end
  end
  now = now + 1
  floor = now
  redis.call('ZADD', key, -1 - floor, life)
end
for _, entry in ipairs(added) do
  if not redis.call('ZSCORE', key, entry) then
    now = now + 1
    redis.call('ZADD', key, now, entry)
  end
end
if #added > 0 then
  -- More of what has ended a day ago goes than comes, wherever it stands.
  local at = time[2] % redis.call('ZCARD', key)
  for _, entry in ipairs(redis.call('ZRANGE', key, at, at + 16 + 2 * #added)) do
    local ends = tonumber(string.match(entry, '^(%d+)\n') or 0)
    if ends > 0 and ends + 86400 < tonumber(time[1]) then
      redis.call('ZREM', key, entry)
    end
  end
end
if now ~= before then
  redis.call('PUBLISH', ARGV[4], '')
end
local reply, from = { life, now, 0 }, '(' .. ARGV[3]
if ARGV[2] ~= life or tonumber(ARGV[3]) < floor then
  reply[3], from = 1, 0
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key, from, '+inf')) do
  reply[#reply + 1] = entry
end
return reply
