-- The table of customers, with its first rows, and the user of Debezium; as `make servers` makes them.
CREATE USER dbz@'%' IDENTIFIED BY 'dbz';
GRANT SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO dbz@'%';
CREATE DATABASE demo CHARACTER SET utf8mb4;
CREATE TABLE demo.CUSTOMERS (
  id INT PRIMARY KEY,
  first_name VARCHAR(50),
  last_name VARCHAR(50),
  email VARCHAR(50),
  gender VARCHAR(50),
  club_status VARCHAR(8),
  comments VARCHAR(90),
  create_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  update_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  region VARCHAR(8)
);
INSERT INTO demo.CUSTOMERS (id, first_name, last_name, email, gender, club_status, comments, region) VALUES
(1, 'Rica', 'Blaisdell', 'rblaisdell0@rambler.ru', 'Female', 'bronze', NULL, 'EMEA'),
(2, 'Ruthie', 'Brockherst', 'rbrockherst1@ow.ly', 'Female', 'platinum', NULL, 'AMER'),
(3, 'Mariejeanne', 'Cocci', 'mcocci2@techcrunch.com', 'Female', 'bronze', NULL, 'EMEA'),
(4, 'Hashim', 'Rumke', 'hrumke3@sohu.com', 'Male', 'platinum', NULL, 'APAC'),
(5, 'Hansiain', 'Coda', 'hcoda4@senate.gov', 'Male', 'platinum', NULL, 'AMER'),
(6, 'Robinet', 'Leheude', 'rleheude5@reddit.com', 'Female', 'platinum', NULL, 'EMEA'),
(7, 'Fay', 'Huc', 'fhuc6@quantcast.com', 'Female', 'bronze', NULL, 'APAC'),
(8, 'Patti', 'Rosten', 'prosten7@ihg.com', 'Female', 'silver', NULL, 'AMER'),
(9, 'Even', 'Tinham', 'etinham8@facebook.com', 'Male', 'silver', NULL, 'EMEA'),
(10, 'Brena', 'Tollerton', 'btollerton9@furl.net', 'Female', 'silver', NULL, 'AMER'),
(11, 'Alexandro', 'Peeke-Vout', 'apeekevouta@freewebs.com', 'Male', 'gold', NULL, 'APAC'),
(12, 'Sheryl', 'Hackwell', 'shackwellb@paginegialle.it', 'Female', 'gold', NULL, 'EMEA'),
(13, 'Laney', 'Toopin', 'ltoopinc@icio.us', 'Female', 'platinum', NULL, 'AMER'),
(14, 'Isabelita', 'Talboy', 'italboyd@imageshack.us', 'Female', 'gold', NULL, 'EMEA'),
(15, 'Rodrique', 'Silverton', 'rsilvertone@umn.edu', 'Male', 'gold', NULL, 'APAC'),
(16, 'Clair', 'Vardy', 'cvardyf@reverbnation.com', 'Male', 'bronze', NULL, NULL),
(17, 'Brianna', 'Paradise', 'bparadiseg@nifty.com', 'Female', 'bronze', NULL, 'AMER'),
(18, 'Waldon', 'Keddey', 'wkeddeyh@weather.com', 'Male', 'gold', NULL, 'EMEA'),
(19, 'Josiah', 'Brockett', 'jbrocketti@com.com', 'Male', 'gold', NULL, 'APAC'),
(20, 'Anselma', 'Rook', 'arookj@europa.eu', 'Female', 'gold', NULL, NULL);
