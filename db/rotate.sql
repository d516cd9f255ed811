-- `make rotate` pipes this into the psql of the container, with the password in NEW_PASSWORD: on no command line and in no log.
\getenv new NEW_PASSWORD
ALTER ROLE CURRENT_USER PASSWORD :'new';
