# A client of the message bus in one file. It needs R 4.0 and, for messages as lists, the package jsonlite.
#
#   source("bus.R")
#   bus <- bus_connect("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556")
#   bus$send(list(type = "subject", subject = 119))
#   message <- bus$receive(timeout = 60)         # the next message of others; NULL when none came
#   bus$listen(function(message) print(message$subject), type = "subject")
#   bus$close()
#
# It speaks ZeroMQ's protocol over R's own sockets, and does not use pbdZMQ: with that package R can neither ask for the place of a
# message nor see that a connection was cut. It connects again and goes on where it was; what is missing is told to `on_gap`, or as a
# warning. R has one thread, so messages are read while `receive` or `listen` run; in between, the broker keeps them as far as its
# limits allow. Keys (CURVE) need pbdZMQ or another language. docs/python.md tells more, docs/protocol.md how it is done.

bus_connect <- function(broadcast = NULL, receive = NULL, since = "now", name = NULL, on_gap = NULL, timeout = 10) {
  or <- function(given, variable, default) if (!is.null(given)) given else if (nzchar(Sys.getenv(variable))) Sys.getenv(variable) else default
  broadcast <- .bus_address(or(broadcast, "BUS_BROADCAST", "tcp://127.0.0.1:5555"))
  receive <- .bus_address(or(receive, "BUS_RECEIVE", "tcp://127.0.0.1:5556"))
  stopifnot(is.null(name) || (is.character(name) && nchar(name) %in% 1:100), is.null(on_gap) || is.function(on_gap))

  link <- .bus_secret()
  asked <- .bus_since(since)
  life <- NULL # of the broker, once it is known
  seq <- 0 # the number of the last message
  if (grepl("^[a-z0-9]{1,32}\\.[0-9]{1,15}$", since)) {
    life <- sub("\\..*", "", since)
    seq <- as.numeric(sub(".*\\.", "", since))
  }
  place <- if (is.null(life)) NULL else since # of the last message that the program was given
  is_numbering <- following <- FALSE
  was_heard <- !is.null(life)
  own <- 0 # so many of the next messages are our own
  links <- 0
  queue <- list()
  head <- 1
  sub <- push <- NULL
  missed <- gaps <- 0
  is_closed <- FALSE

  properties <- function(...) c(list(...), if (!is.null(name)) list(`X-Name` = name), list(`X-Pid` = as.character(Sys.getpid())))
  need_open <- function() if (is_closed) stop("The bus is closed", call. = FALSE)

  put <- function(what, value = NULL, at = NULL) queue[[length(queue) + 1]] <<- list(what = what, value = value, place = at)

  open_sub <- function() {
    made <- .bus_open(broadcast, "SUB", properties(`X-Link` = link))
    following <<- FALSE
    own <<- 0
    is_numbering <<- grepl("^[a-z0-9]{1,32}\\.[0-9]{1,15}$", paste0("", made$property[["X-Feed"]]))
    if (is_numbering) {
      start <- if (is.null(life)) asked else sprintf("%s.%.0f", life, seq)
      .bus_write(made, .bus_command("SUBSCRIBE", c(as.raw(0), charToRaw(paste0("feed/1 ", start)))))
    } else {
      if (was_heard) put("gap", NA)
      was_heard <<- following <<- TRUE
      life <<- NULL
    }
    .bus_write(made, .bus_command("SUBSCRIBE", raw(0)))
    sub <<- made
  }

  open_push <- function() {
    links <<- links + 1
    push <<- .bus_open(receive, "PUSH", properties(`X-Link` = sprintf("%s %d", link, links)))
  }

  take <- function(body) {
    if (length(body) > 0 && body[1] == as.raw(0)) {
      if (is_numbering) note(rawToChar(body[-1]))
    } else if (following) {
      if (is_numbering) seq <<- seq + 1
      at <- if (is_numbering) sprintf("%s.%.0f", life, seq)
      if (own > 0) {
        own <<- own - 1
        put("place", NULL, at)
      } else {
        put("message", body, at)
      }
    }
  }

  note <- function(text) {
    if (!startsWith(text, "feed/1 ")) return()
    found <- regmatches(text, regexec('"place":"([a-z0-9]{1,32})\\.([0-9]{1,15})"', text))[[1]]
    if (length(found) == 3) {
      number <- as.numeric(found[3])
      if (was_heard) {
        distance <- if (identical(found[2], life)) number - seq else NA
        if (is.na(distance) || distance < 0) distance <- NA
        if (is.na(distance) || distance > 0) put("gap", distance)
      }
      life <<- found[2]
      seq <<- number
      own <<- 0
      was_heard <<- following <<- TRUE
      put("place", NULL, sprintf("%s.%.0f", life, seq))
    }
    found <- regmatches(text, regexec('"own":([0-9]+)', text))[[1]]
    if (length(found) == 2) own <<- as.numeric(found[2])
    found <- regmatches(text, regexec('"refused":([0-9]+)', text))[[1]]
    if (length(found) == 2) put("refused", as.numeric(found[2]))
  }

  # Reads what is there, for at most so many seconds; a connection that is lost is opened again.
  read <- function(seconds) {
    if (is.null(sub)) {
      failed <- tryCatch({
        open_sub()
        NULL
      }, bus_trouble = function(trouble) trouble)
      if (!is.null(failed)) {
        Sys.sleep(min(seconds, 0.2))
        return(failed)
      }
    }
    tryCatch(for (body in .bus_frames(sub, seconds)) take(body), bus_trouble = function(trouble) {
      .bus_shut(sub)
      sub <<- NULL
    })
    NULL
  }

  # The next entry of the queue that is a message; what stands in front of it is told.
  pull <- function() {
    while (head <= length(queue)) {
      entry <- queue[[head]]
      head <<- head + 1
      if (head > length(queue)) {
        queue <<- list()
        head <<- 1
      }
      if (!is.null(entry$place)) place <<- entry$place
      if (entry$what == "gap") {
        gaps <<- gaps + 1
        if (!is.na(entry$value)) missed <<- missed + entry$value
        if (!is.null(on_gap)) on_gap(entry$value)
        else warning("missed ", if (is.na(entry$value)) "an unknown number of" else sprintf("%.0f", entry$value), " messages", call. = FALSE)
      } else if (entry$what == "refused") {
        warning("the broker refused ", entry$value, " of our messages", call. = FALSE)
      } else if (entry$what == "message") {
        message <- .bus_parse(entry$value, entry$place)
        if (!is.null(message)) return(message)
      }
    }
    NULL
  }

  bus <- new.env()
  bus$receive <- function(timeout = Inf, type = NULL) {
    end <- .bus_now() + timeout
    repeat {
      need_open()
      message <- pull()
      if (!is.null(message) && .bus_fits(message, type)) return(message)
      if (!is.null(message)) next
      left <- end - .bus_now()
      failed <- read(max(0, min(left, 1)))
      if (left <= 0 && head > length(queue)) {
        if (!is.null(failed)) warning("the broker is away: ", conditionMessage(failed), call. = FALSE)
        return(NULL)
      }
    }
  }
  bus$listen <- function(handler, type = NULL, timeout = Inf) {
    while (!is_closed && !is.null(message <- bus$receive(timeout, type))) handler(message)
    invisible(NULL)
  }
  bus$send <- function(message, timeout = 10) {
    need_open()
    body <- .bus_encode(message)
    end <- .bus_now() + timeout
    repeat {
      trouble <- tryCatch({
        if (is.null(push)) open_push()
        # Answers its heartbeats, and sees whether it is still there: the end stands behind all that came.
        while (socketSelect(list(push$con), FALSE, 0)) .bus_frames(push, 0)
        .bus_write(push, .bus_frame(body, 0))
        NULL
      }, bus_trouble = function(trouble) trouble)
      if (is.null(trouble)) return(invisible(NULL))
      if (!is.null(push)) .bus_shut(push)
      push <<- NULL
      if (.bus_now() > end) stop("Cannot send message: ", conditionMessage(trouble), call. = FALSE)
      Sys.sleep(0.1)
    }
  }
  bus$place <- function() place
  bus$missed <- function() missed
  bus$gaps <- function() gaps
  bus$close <- function() {
    for (one in list(sub, push)) if (!is.null(one)) .bus_shut(one)
    sub <<- push <<- NULL
    is_closed <<- TRUE
    invisible(NULL)
  }

  # Nothing is missed from here on, so a program may begin to send.
  end <- .bus_now() + timeout
  while (!following || is.null(push)) {
    trouble <- read(0.5)
    if (is.null(trouble) && is.null(push)) trouble <- tryCatch({
      open_push()
      NULL
    }, bus_trouble = function(trouble) trouble)
    if (.bus_now() > end) {
      bus$close()
      why <- if (is.null(trouble)) "nobody answers" else conditionMessage(trouble)
      stop("No broker after ", timeout, " seconds: ", why, call. = FALSE)
    }
  }
  while (head <= length(queue) && queue[[head]]$what == "place") {
    place <- queue[[head]]$place
    head <- head + 1
  }
  bus
}

# Messages.

.bus_encode <- function(message) {
  text <- if (is.character(message) && length(message) == 1 && is.null(names(message))) {
    enc2utf8(message)
  } else {
    if (!is.list(message) || !is.character(message[["type"]])) {
      stop("Cannot send message: it is no list with a text in type", call. = FALSE)
    }
    .bus_need_jsonlite()
    enc2utf8(as.character(jsonlite::toJSON(message, auto_unbox = TRUE, digits = NA, null = "null", na = "null")))
  }
  if (!grepl("^[ \t\r\n]*\\{", text)) stop("Cannot send message: it is no JSON object", call. = FALSE)
  if (requireNamespace("jsonlite", quietly = TRUE) && !jsonlite::validate(text)) stop("Cannot send message: it is no JSON", call. = FALSE)
  body <- charToRaw(text)
  if (length(body) > 16 * 1024^2) stop("Cannot send message: it has more than 16 MiB", call. = FALSE)
  body
}

.bus_parse <- function(body, place) {
  text <- rawToChar(body)
  Encoding(text) <- "UTF-8"
  fields <- if (requireNamespace("jsonlite", quietly = TRUE)) {
    tryCatch(jsonlite::fromJSON(text, simplifyDataFrame = FALSE, simplifyMatrix = FALSE), error = function(error) NULL)
  } else {
    list(type = NA_character_)
  }
  if (!is.list(fields) || !is.character(fields[["type"]])) return(NULL)
  structure(fields, text = text, place = place)
}

.bus_fits <- function(message, type) {
  if (is.null(type)) return(TRUE)
  .bus_need_jsonlite()
  message$type %in% type || (message$type == "Visualization" && "visualization" %in% type)
}

.bus_need_jsonlite <- function() {
  if (!requireNamespace("jsonlite", quietly = TRUE)) {
    stop('This needs the package jsonlite: install.packages("jsonlite"). Without it, messages are texts only.', call. = FALSE)
  }
}

# ZMTP 3.1, without keys (RFC 37). A connection is an environment with what came and is not a whole frame yet.

.bus_trouble <- function(...) stop(structure(class = c("bus_trouble", "error", "condition"), list(message = paste0(...), call = NULL)))

.bus_now <- function() as.numeric(proc.time()[["elapsed"]])

.bus_open <- function(address, kind, properties) {
  con <- tryCatch(
    suppressWarnings(socketConnection(address$host, address$port, open = "r+b", blocking = FALSE, timeout = 5)),
    error = function(error) .bus_trouble("nobody listens at ", address$text, "; is the broker running?")
  )
  link <- new.env()
  link$con <- con
  link$buffer <- raw(0)
  tryCatch({
    mechanism <- charToRaw("NULL")
    .bus_write(link, c(as.raw(c(0xff, rep(0, 8), 0x7f, 3, 1)), mechanism, raw(16 + 1 + 31)))
    greeting <- .bus_exactly(link, 64, address)
    if (greeting[1] != as.raw(0xff) || greeting[11] < as.raw(3)) .bus_trouble("what answers at ", address$text, " is no ZeroMQ of today")
    if (!identical(greeting[13:17], c(mechanism, as.raw(0)))) .bus_trouble("the broker at ", address$text, " wants keys, which R does not have")
    named <- c(list(`Socket-Type` = kind), properties)
    values <- lapply(seq_along(named), function(i) {
      value <- charToRaw(enc2utf8(named[[i]]))
      c(as.raw(nchar(names(named)[i])), charToRaw(names(named)[i]), .bus_big_endian(length(value), 4), value)
    })
    .bus_write(link, .bus_command("READY", do.call(c, values)))
    frame <- .bus_handshake_frame(link, address)
    if (!identical(rawToChar(frame[2:6]), "READY")) .bus_trouble("what answers at ", address$text, " does not let a ", kind, " in: are the two addresses swapped?")
    link$property <- .bus_properties(frame[-(1:6)])
    expected <- c(SUB = "PUB", PUSH = "PULL")[[kind]]
    if (!identical(link$property[["Socket-Type"]], expected) && !(kind == "SUB" && identical(link$property[["Socket-Type"]], "XPUB"))) {
      .bus_trouble("what answers at ", address$text, " is a ", link$property[["Socket-Type"]], ", not a ", expected, ": are the two addresses swapped?")
    }
  }, error = function(trouble) {
    .bus_shut(link)
    stop(trouble)
  })
  link
}

.bus_shut <- function(link) suppressWarnings(try(close(link$con), silent = TRUE))

.bus_write <- function(link, bytes) {
  tryCatch(suppressWarnings(writeBin(bytes, link$con)), error = function(error) .bus_trouble("the connection was closed"))
}

# Waits for bytes and adds what came; FALSE when none did.
.bus_fill <- function(link, seconds) {
  if (!socketSelect(list(link$con), FALSE, seconds)) return(FALSE)
  chunks <- list()
  size <- 0
  # A pause for what came already: one read must not take all that a fast sender ever sends.
  while (size < 4 * 1024^2) {
    bytes <- tryCatch(suppressWarnings(readBin(link$con, raw(), 65536)), error = function(error) raw(0))
    if (length(bytes) == 0) break
    chunks[[length(chunks) + 1]] <- bytes
    size <- size + length(bytes)
  }
  if (size == 0) .bus_trouble("the connection was closed")
  link$buffer <- c(link$buffer, unlist(chunks))
  TRUE
}

.bus_exactly <- function(link, size, address) {
  end <- .bus_now() + 10
  while (length(link$buffer) < size) {
    left <- end - .bus_now()
    if (left <= 0) .bus_trouble("what answers at ", address$text, " keeps silent")
    .bus_fill(link, left)
  }
  bytes <- link$buffer[seq_len(size)]
  link$buffer <- link$buffer[-seq_len(size)]
  bytes
}

.bus_handshake_frame <- function(link, address) {
  head <- .bus_exactly(link, 2, address)
  size <- if (bitwAnd(as.integer(head[1]), 2L) == 0L) {
    as.integer(head[2])
  } else {
    .bus_number(c(head[2], .bus_exactly(link, 7, address)))
  }
  if (size < 6 || size > 65536) .bus_trouble("what answers at ", address$text, " is no broker")
  .bus_exactly(link, size, address)
}

.bus_properties <- function(bytes) {
  found <- list()
  at <- 1
  while (at < length(bytes)) {
    size <- as.integer(bytes[at])
    name <- rawToChar(bytes[at + seq_len(size)])
    at <- at + 1 + size
    size <- .bus_number(bytes[at + 0:3])
    found[[name]] <- rawToChar(bytes[at + 3 + seq_len(size)])
    at <- at + 4 + size
  }
  found
}

# The bodies of the whole frames that came; heartbeats are answered.
.bus_frames <- function(link, seconds) {
  if (!.bus_fill(link, seconds)) return(list())
  buffer <- link$buffer
  total <- length(buffer)
  bodies <- list()
  at <- 1
  while (at + 1 <= total) {
    flags <- as.integer(buffer[at])
    is_long <- bitwAnd(flags, 2L) != 0L
    if (is_long && at + 8 > total) break
    size <- if (is_long) .bus_number(buffer[at + 1:8]) else as.integer(buffer[at + 1])
    start <- at + if (is_long) 9 else 2
    if (start + size - 1 > total) break
    body <- buffer[start - 1 + seq_len(size)]
    at <- start + size
    if (bitwAnd(flags, 4L) == 0L) {
      if (bitwAnd(flags, 1L) == 0L) bodies[[length(bodies) + 1]] <- body
    } else if (size >= 7 && identical(body[1:5], c(as.raw(4), charToRaw("PING")))) {
      .bus_write(link, .bus_command("PONG", body[-(1:7)]))
    }
  }
  link$buffer <- if (at > total) raw(0) else buffer[at:total]
  bodies
}

.bus_big_endian <- function(number, bytes) as.raw((number %/% 256^((bytes - 1):0)) %% 256)
.bus_number <- function(bytes) sum(as.numeric(bytes) * 256^((length(bytes) - 1):0))

.bus_frame <- function(body, flags) {
  size <- length(body)
  if (size < 256) c(as.raw(c(flags, size)), body) else c(as.raw(flags + 2), .bus_big_endian(size, 8), body)
}

.bus_command <- function(name, body) .bus_frame(c(as.raw(nchar(name)), charToRaw(name), body), 4)

.bus_address <- function(text) {
  found <- regmatches(text, regexec("^(?:tcp://)?([^ :/]+):([0-9]{1,5})$", text))[[1]]
  if (length(found) != 3) stop("Cannot use address ", text, ": expected tcp://host:port", call. = FALSE)
  list(text = text, host = found[2], port = as.integer(found[3]))
}

.bus_since <- function(since) {
  if (since %in% c("now", "earliest") || grepl("^[a-z0-9]{1,32}\\.[0-9]{1,15}$", since)) return(since)
  found <- regmatches(since, regexec("^([0-9]{1,9})(ms|s|m|h|d)$", since))[[1]]
  if (length(found) != 3) stop("Cannot use since ", since, ": expected now, earliest, a duration such as 10m, or a place", call. = FALSE)
  unit <- c(ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000)
  sprintf("age %.0f", as.numeric(found[2]) * unit[[found[3]]])
}

# 32 characters that nobody guesses; the random numbers of the program stay as they were.
.bus_secret <- function() {
  bytes <- tryCatch({
    file <- suppressWarnings(file("/dev/urandom", "rb", raw = TRUE))
    on.exit(close(file))
    readBin(file, raw(), 16)
  }, error = function(error) {
    had <- exists(".Random.seed", globalenv())
    before <- if (had) get(".Random.seed", globalenv())
    set.seed(NULL)
    drawn <- as.raw(sample(0:255, 16, replace = TRUE))
    if (had) assign(".Random.seed", before, globalenv()) else rm(".Random.seed", envir = globalenv())
    drawn
  })
  paste(as.character(bytes), collapse = "")
}
