-- wrk -s random.lua URL -- FIRST COUNT SEED
-- GET /N/1k with N drawn from FIRST … FIRST + COUNT - 1, the same ones for the same seed.

local first, last, rest

function init(args)
  first, last = tonumber(args[1]), tonumber(args[1]) + tonumber(args[2]) - 1
  math.randomseed(tonumber(args[3]))
  rest = "/1k HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
end

function request()
  return "GET /" .. math.random(first, last) .. rest
end
