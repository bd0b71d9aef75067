"""The customers that the table begins with: those of the article's demo, and a region, an optional column of ours."""

import msgspec


class Customer(msgspec.Struct):
    """A row of the customer table; all columns but the id may be null."""

    id: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    gender: str | None = None
    club_status: str | None = None
    comments: str | None = None
    create_ts: str | None = None
    """ISO 8601, UTC."""
    update_ts: str | None = None
    region: str | None = None


_TABLE = """
id | first_name  | last_name  | email                      | gender | club_status | region
 1 | Rica        | Blaisdell  | rblaisdell0@rambler.ru     | Female | bronze      | EMEA
 2 | Ruthie      | Brockherst | rbrockherst1@ow.ly         | Female | platinum    | AMER
 3 | Mariejeanne | Cocci      | mcocci2@techcrunch.com     | Female | bronze      | EMEA
 4 | Hashim      | Rumke      | hrumke3@sohu.com           | Male   | platinum    | APAC
 5 | Hansiain    | Coda       | hcoda4@senate.gov          | Male   | platinum    | AMER
 6 | Robinet     | Leheude    | rleheude5@reddit.com       | Female | platinum    | EMEA
 7 | Fay         | Huc        | fhuc6@quantcast.com        | Female | bronze      | APAC
 8 | Patti       | Rosten     | prosten7@ihg.com           | Female | silver      | AMER
 9 | Even        | Tinham     | etinham8@facebook.com      | Male   | silver      | EMEA
10 | Brena       | Tollerton  | btollerton9@furl.net       | Female | silver      | AMER
11 | Alexandro   | Peeke-Vout | apeekevouta@freewebs.com   | Male   | gold        | APAC
12 | Sheryl      | Hackwell   | shackwellb@paginegialle.it | Female | gold        | EMEA
13 | Laney       | Toopin     | ltoopinc@icio.us           | Female | platinum    | AMER
14 | Isabelita   | Talboy     | italboyd@imageshack.us     | Female | gold        | EMEA
15 | Rodrique    | Silverton  | rsilvertone@umn.edu        | Male   | gold        | APAC
16 | Clair       | Vardy      | cvardyf@reverbnation.com   | Male   | bronze      | -
17 | Brianna     | Paradise   | bparadiseg@nifty.com       | Female | bronze      | AMER
18 | Waldon      | Keddey     | wkeddeyh@weather.com       | Male   | gold        | EMEA
19 | Josiah      | Brockett   | jbrocketti@com.com         | Male   | gold        | APAC
20 | Anselma     | Rook       | arookj@europa.eu           | Female | gold        | -
"""


def _parse(table: str) -> tuple[Customer, ...]:
    names, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return tuple(
        msgspec.convert(
            {name: cell for name, cell in zip(names, row, strict=True) if cell != "-"},
            Customer,
            strict=False,  # the id is text here
        )
        for row in rows
    )


SEED_CUSTOMERS = _parse(_TABLE)
"""Customers 1 to 20. Ratings come from -1 to 19."""
